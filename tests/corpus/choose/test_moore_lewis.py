from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from acclimate.corpus.choose.moore_lewis import MooreLewis, difference, until
from acclimate.corpus.ngram_text import NgramText, Vocabulary
from acclimate.errors import UserError
from acclimate.progress import silent


def select(pool: Any, target: list[str], **settings: Any) -> None:
    step = MooreLewis.model_validate({"task": "t", **settings}).build(task_texts=lambda name: target)
    step(pool, silent)
    pool.book()


def test_the_difference_is_that_of_the_two_models(about: Callable[..., list[str]]) -> None:
    """Unigrams, where the definition can be worked out: H_in − H_out of a text is the mean of log(q/p)."""
    target, corpus = about("medicine", 50), about("sport", 50)
    vocabulary = Vocabulary.of(target)
    inside, outside = (NgramText.train(part, order=1, vocabulary=vocabulary) for part in (target, corpus))
    text = target[0]
    (ids,), spelling = vocabulary.encode(text)
    assert spelling == 0
    p, q = (model.model.log_probabilities(ids) for model in (inside, outside))
    assert difference(inside, outside, [text]) == pytest.approx([float((q - p).mean())])
    assert difference(inside, outside, ["\n"]) == pytest.approx([1e9])


@pytest.mark.parametrize("chinese", [False, True])
def test_the_right_domain_is_found(
    pools: Any, about: Callable[..., list[str]], survivors: Callable[..., list[str]], chinese: bool
) -> None:
    wanted = about("medicine", 100, chinese=chinese)
    pool = pools.of(about("sport", 200, chinese=chinese), wanted, about("law", 200, chinese=chinese))
    select(pool, about("medicine", 60, chinese=chinese, seed=1), keep="20%")
    chosen = survivors(pool)
    assert len(chosen) == 100 and len(set(chosen) & set(wanted)) >= 85  # 20 by chance
    assert {one.reason for one in pools.dropped} == {"not_selected"} and len(pools.dropped) == 400


def test_it_ranks_so_more_is_a_superset(
    pools: Any, about: Callable[..., list[str]], survivors: Callable[..., list[str]]
) -> None:
    texts, target = [*about("law", 60), *about("sport", 60)], about("law", 30, seed=1)
    chosen = []
    for keep in ("10 documents", "500 words", "90%", "100%"):
        pool = pools.of(texts)
        select(pool, target, keep=keep, order=2)
        chosen.append(set(survivors(pool)))
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3] == set(texts)


def test_the_target_is_bounded() -> None:
    assert until(["abc", "defg", "h"], 5) == ["abc", "de"]
    assert until(["abc"], 5) == ["abc"]


def test_a_target_of_nothing_but_new_words_is_an_error(pools: Any) -> None:
    with pytest.raises(UserError, match="no word stands twice in the target"):
        select(pools.of(["some text"]), ["one two three"])


def test_memory_of_the_draw_is_not_the_corpus(pools: Any, about: Callable[..., list[str]]) -> None:
    """The model of the corpus learns from as much as there is of the target, and no more."""
    settings = MooreLewis.model_validate({"task": "t", "most": 1000})
    pool = pools.of(about("law", 300))
    drawn = settings._of_the_corpus(pool, 1000)
    assert abs(sum(map(len, drawn)) - 1000) <= max(map(len, drawn))
    assert len(settings._of_the_corpus(pool, 1)) == 1
    assert np.array_equal(drawn, settings._of_the_corpus(pool, 1000))
