from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from acclimate.corpus.choose.bm25 import Bm25, Lists, Queries, Search, fewest
from acclimate.corpus.choose.terms import terms_of
from acclimate.errors import UserError
from acclimate.progress import silent


def terms(text: str) -> list[str]:
    """Words; of Han every two characters side by side, a lone one by itself."""
    found = []
    for run in re.findall(r"[\u4e00-\u9fff]+|[^\W_\u4e00-\u9fff]+", text.casefold()):
        is_han = "\u4e00" <= run[0] <= "\u9fff"
        found += ["".join(two) for two in pairwise(run)] if is_han and len(run) > 1 else [run]
    return found


def direct(query: str, text: str, corpus: list[str], k1: float, b: float) -> float:
    lengths = [len(terms(one)) for one in corpus]
    mean = sum(lengths) / len(corpus)
    counts, score = Counter(terms(text)), 0.0
    for term in set(terms(query)) & set(counts):
        n, f = sum(term in terms(one) for one in corpus), counts[term]
        idf = math.log(1 + (len(corpus) - n + 0.5) / (n + 0.5))
        score += (
            terms(query).count(term) * idf * f * (k1 + 1) / (f + k1 * (1 - b + b * len(terms(text)) / mean))
        )
    return score


def select(pool: Any, target: list[str], **settings: Any) -> dict[str, Any]:
    said = Bm25.model_validate({"task": "t", **settings}).build(task_texts=lambda name: target)(pool, silent)
    pool.book()
    return said


MIXED = [
    "The fever of the patient fell after the dose.",
    "The judge read the contract, the contract and the statute.",
    "病人发烧了三天，医生开了药。",
    "法院审理了合同纠纷案，合同无效。",
    "fever 病 contract",
    "!?",
    "The team lost the match; the patient coach did not.",
]


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 0.0), (1.5, 1.0)])
def test_scores_are_those_of_the_formula(k1: float, b: float) -> None:
    asked = ["patient with fever, fever!", "合同纠纷 contract", "病", "nothing of it"]
    queries = Queries.of(asked)
    counts, lengths = queries.counted(MIXED)
    frequency = np.bincount(counts.indices, minlength=len(queries.terms))
    scores = Search(queries, frequency, len(MIXED), lengths.mean(), k1, b).scores(MIXED, lengths)
    wanted = [[direct(query, text, MIXED, k1, b) for query in asked] for text in MIXED]
    assert scores == pytest.approx(np.array(wanted))
    assert scores[4, 2] > 0 and scores[2, 2] == 0  # a lone character is a term, one among others is not


def test_scores_are_those_of_the_library() -> None:
    """rank_bm25's BM25Okapi differs in its idf, log((N − n + ½)/(n + ½)), and in nothing else."""
    library = pytest.importorskip("rank_bm25")
    okapi = library.BM25Okapi([terms(text) for text in MIXED], k1=1.2, b=0.75)
    okapi.idf = {
        term: math.log(1 + (len(MIXED) - n + 0.5) / (n + 0.5))
        for term in okapi.idf
        for n in [sum(term in terms(text) for text in MIXED)]
    }
    for query in ("patient with fever", "合同纠纷"):
        ours = [direct(query, text, MIXED, 1.2, 0.75) for text in MIXED]
        assert ours == pytest.approx(okapi.get_scores(terms(query)).tolist())


def test_terms_of_both_kinds_of_script() -> None:
    for text in [*MIXED, "a中文b 字 中 文字符"]:
        hashes, owners = terms_of([text])
        assert len(hashes) == len(terms(text)) and not owners.any()
        assert len(set(hashes.tolist())) == len(set(terms(text)))


@pytest.mark.parametrize("chinese", [False, True])
def test_the_right_domain_is_found(
    pools: Any, about: Callable[..., list[str]], survivors: Callable[..., list[str]], chinese: bool
) -> None:
    wanted = about("law", 100, chinese=chinese)
    pool = pools.of(about("sport", 150, chinese=chinese), wanted, about("medicine", 150, chinese=chinese))
    said = select(pool, about("law", 60, chinese=chinese, seed=1), keep="80 documents")
    chosen = survivors(pool)
    assert len(chosen) == 80 and len(set(chosen) & set(wanted)) >= 76
    assert said["selected"] == 80


def test_without_a_bound_the_union_of_the_lists_is_kept(pools: Any) -> None:
    pool = pools.of(MIXED)
    select(pool, ["fever", "合同"], per_query=1)
    # The shortest document with the word, and the one with two of the term.
    assert np.flatnonzero(pool.alive).tolist() == [3, 4]
    assert "not in any" not in pools.dropped[0].detail and pools.dropped[0].reason == "not_selected"


def test_lists_hold_the_best_whatever_the_batches() -> None:
    scores = np.random.default_rng(0).random((500, 7)).round(2)  # with ties
    whole, parts = Lists(7, 12), Lists(7, 12)
    whole.add(np.arange(500), scores)
    for start in range(0, 500, 37):
        parts.add(np.arange(start, min(500, start + 37)), scores[start : start + 37])
    assert np.array_equal(whole.ranked(500), parts.ranked(500))
    best = np.argsort(-scores, axis=0, kind="stable")[:12]
    ranked = whole.ranked(500)
    assert set(np.flatnonzero(ranked > -np.inf)) == set(best.ravel())
    assert set(np.flatnonzero(ranked >= 0)) == set(best[0])


def test_no_more_queries_than_asked_for_and_always_the_same() -> None:
    texts = [f"query {n}" for n in range(1000)]
    assert fewest(iter(texts), 10) == fewest(iter(texts[::-1]), 10) and len(fewest(texts, 10)) == 10


def test_a_target_without_words_is_an_error(pools: Any) -> None:
    with pytest.raises(UserError, match="has a word"):
        select(pools.of(MIXED), ["…", "!"])
    with pytest.raises(UserError, match="the target has no text"):
        select(pools.of(MIXED), [])
