from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from acclimate.corpus.choose.dsir import Dsir, bucket_counts, gumbel, log_shares, log_weights
from acclimate.corpus.choose.measuring import places_of
from acclimate.progress import silent


def ngrams(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+", text.casefold())
    return [(word,) for word in words] + list(pairwise(words))


def direct(texts: list[str], target: list[str], raw: list[str]) -> list[float]:
    """log w by the formula, with a bucket for each n-gram."""
    p, q = (Counter(one for text in part for one in ngrams(text)) for part in (target, raw))
    sum_p, sum_q = p.total(), q.total()
    return [
        sum(math.log(p[one] / sum_p + 1e-8) - math.log(q[one] / sum_q + 1e-8) for one in ngrams(text))
        for text in texts
    ]


def select(pool: Any, target: list[str], **settings: Any) -> dict[str, Any]:
    said = Dsir.model_validate({"task": "t", **settings}).build(task_texts=lambda name: target)(pool, silent)
    pool.book()
    return said


@pytest.mark.parametrize("chinese", [False, True])
def test_weights_are_those_of_the_formula(about: Callable[..., list[str]], chinese: bool) -> None:
    target, raw = about("medicine", 40, chinese=chinese), about("sport", 60, chinese=chinese)
    buckets = 2**22  # so many that no two n-grams share one
    ratios = log_shares(bucket_counts([target], buckets)) - log_shares(bucket_counts([raw], buckets))
    texts = [*raw[:5], *about("medicine", 5, chinese=chinese, seed=1), "", "unheard-of", "…"]
    assert log_weights(texts, ratios) == pytest.approx(direct(texts, target, raw))


def test_long_texts_are_taken_in_pieces(about: Callable[..., list[str]]) -> None:
    long = " ".join(about("law", 6000))
    assert len(long) > 1_000_000
    ratios = np.arange(1000, dtype=np.float64)
    whole, twice = log_weights([long, long + " " + long], ratios)
    assert twice == pytest.approx(2 * whole, rel=1e-5)
    assert (
        log_weights(["a b", long, "a b"], ratios)[[0, 2]].tolist()
        == log_weights(["a b"] * 2, ratios).tolist()
    )


@pytest.mark.parametrize("chinese", [False, True])
def test_what_is_chosen_is_nearer_to_the_target(
    pools: Any, about: Callable[..., list[str]], survivors: Callable[..., list[str]], chinese: bool
) -> None:
    wanted = about("medicine", 100, chinese=chinese)
    others = [*about("sport", 200, chinese=chinese), *about("law", 200, chinese=chinese)]
    target = about("medicine", 80, chinese=chinese, seed=1)
    pool = pools.of(others[:200], wanted, others[200:])

    def distance(texts: list[str]) -> float:
        p, q = (bucket_counts([part], 10_000) + 1 for part in (target, texts))
        return float((p / p.sum() * np.log((p / p.sum()) / (q / q.sum()))).sum())

    before = distance(survivors(pool))
    said = select(pool, target, keep="20%")
    chosen = survivors(pool)
    assert distance(chosen) < before / 2
    assert len(chosen) == 100 and len(set(chosen) & set(wanted)) >= 95
    assert said["documents"] == 500 and said["selected"] == 100
    assert len(pools.dropped) == 400 and {one.reason for one in pools.dropped} == {"not_selected"}


def test_everything_is_kept_of_everything(pools: Any, about: Callable[..., list[str]]) -> None:
    pool = pools.of(about("law", 50))
    select(pool, about("sport", 5), keep="100%")
    assert pool.alive.all()


def test_the_draw_hangs_on_text_and_seed_alone(pools: Any, about: Callable[..., list[str]]) -> None:
    texts, target = [f"word{n} law" for n in range(100)], ["law"]

    def chosen(order: list[str], seed: int) -> set[str]:
        pool = pools.of(order)
        select(pool, target, keep="30 documents", seed=seed)
        return {one.text for batch in pool.batches() for one in batch}

    assert chosen(texts, 0) == chosen(texts[::-1], 0) != chosen(texts, 1)


def test_the_noise_is_gumbels() -> None:
    noise = gumbel(np.arange(200_000, dtype=np.uint64), 3)
    assert np.isfinite(noise).all()
    for at in (-1.0, 0.0, 1.0, 3.0):
        assert (noise < at).mean() == pytest.approx(math.exp(-math.exp(-at)), abs=0.004)
    places = places_of(["a", "b"])
    assert gumbel(places, 0).tolist() != gumbel(places, 1).tolist()


def test_top_k_with_noise_draws_in_proportion_to_the_weights(pools: Any) -> None:
    """The first one drawn of three documents is each with probability w / Σ w (Gumbel's trick)."""
    weights = np.log([0.6, 0.3, 0.1])
    noise = np.stack([gumbel(np.arange(n, 300_000 + n, dtype=np.uint64) * 7919, n) for n in range(3)], axis=1)
    first = (weights + noise).argmax(axis=1)
    assert np.bincount(first) / len(first) == pytest.approx([0.6, 0.3, 0.1], abs=0.004)
