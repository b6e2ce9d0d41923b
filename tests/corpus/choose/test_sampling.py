from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from acclimate.corpus.choose.sampling import Sampling
from acclimate.progress import silent
from acclimate.recipe.portions import Portion


def sample(pools: Any, texts: list[str], portion: str) -> set[str]:
    pool = pools.of(texts)
    Sampling(Portion.parse(portion))(pool, silent)
    pool.book()
    assert len(pools.dropped) == len(texts) - pool.alive.sum()
    assert {one.reason for one in pools.dropped} <= {"not_sampled"}
    pools.dropped.clear()
    return {one.text for batch in pool.batches() for one in batch}


def texts(count: int) -> list[str]:
    return [f"text number {n} 第{n}篇" for n in range(count)]


def test_a_share_is_about_that_many_and_more_documents_move_none(pools: Any) -> None:
    few, many = sample(pools, texts(2000), "10%"), sample(pools, texts(6000), "10%")
    assert 160 <= len(few) <= 240 and 530 <= len(many) <= 670
    assert few == many & set(texts(2000))
    assert few < sample(pools, texts(2000), "20%")
    assert sample(pools, texts(50), "100%") == set(texts(50))


def test_reading_order_is_nothing(pools: Any) -> None:
    assert sample(pools, texts(500), "30%") == sample(pools, texts(500)[::-1], "30%")
    assert sample(pools, texts(500), "70 documents") == sample(pools, texts(500)[::-1], "70 documents")


@pytest.mark.parametrize("unit", ["bytes", "characters", "words", "documents"])
def test_an_amount_is_met_to_less_than_a_document(pools: Any, unit: str) -> None:
    few = sample(pools, texts(2000), f"1k {unit}")
    words = sum(4 + 2 for _ in few)  # text, number, n, 第, n and 篇
    bytes_ = sum(len(one.encode()) for one in few)
    size = {"bytes": bytes_, "characters": sum(map(len, few)), "words": words, "documents": len(few)}[unit]
    assert abs(size - 1000) <= {"bytes": 20, "characters": 15, "words": 3, "documents": 0}[unit]
    # What was out stays out when more comes in.
    assert not (sample(pools, texts(4000), f"1k {unit}") - few) & set(texts(2000))


def test_more_than_there_is_takes_all(pools: Any, survivors: Callable[[Any], list[str]]) -> None:
    assert sample(pools, texts(20), "5M words") == set(texts(20))


def test_the_parts_keep_their_shares(pools: Any) -> None:
    """The sample's hash is none of the split's: a tenth of the corpus has a tenth of its held-out text."""
    from acclimate.corpus.split import split_hash, split_of

    kept = sample(pools, texts(4000), "10%")
    held_out = sum(split_of(split_hash(text), 0.1, 0.1) != "train" for text in kept)
    assert 50 <= held_out <= 110
