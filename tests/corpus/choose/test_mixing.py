from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.corpus.choose.mixing import Mixing, copies_for, mixing_shares
from acclimate.errors import UserError
from acclimate.progress import silent
from acclimate.recipe.corpus_section import Mix


def everything(pool: Any) -> Any:
    return pool.alive.copy()


def mixed(pool: Any, sources: list[str], in_training: Any = everything, **settings: Any) -> dict[str, Any]:
    said = Mixing(Mix.model_validate(settings), sources, in_training)(pool, silent)
    pool.book()
    return said


def lines(count: int, name: str) -> list[str]:
    return [f"{name} {n} " + "word " * (n % 7) + "词" * (n % 5) for n in range(count)]


def test_shares_are_sizes_to_the_power_alpha() -> None:
    sizes = np.array([1e6, 1e4, 0.0])
    assert mixing_shares(sizes, 1.0, None) == pytest.approx([100 / 101, 1 / 101, 0])
    assert mixing_shares(sizes, 0.0, None) == pytest.approx([0.5, 0.5, 0])
    # Conneau and Lample 2019: p^0.5 of a hundred to one is ten to one.
    assert mixing_shares(sizes, 0.5, None) == pytest.approx([10 / 11, 1 / 11, 0])
    assert mixing_shares(sizes, None, np.array([1.0, 3.0, 5.0])) == pytest.approx([0.25, 0.75, 0])


@pytest.mark.parametrize("unit", ["bytes", "words", "characters", "documents"])
def test_each_source_gives_its_share_to_less_than_a_document(pools: Any, unit: str) -> None:
    pool = pools.of(lines(900, "large"), lines(60, "小"))
    said = mixed(pool, ["large", "small"], alpha=0.5, unit=unit)
    large, small = said["sources"]
    total = large["available"] + small["available"]
    for one in (large, small):
        assert abs(one["given"] - one["share"] * total) <= 60
    assert large["given"] < large["available"] and small["given"] > small["available"]
    assert large["repeated"] == 0 and small["repeated"] == pool.copies[900:].sum() - 60
    # The books: what is not there any more was dropped, what is there twice was not.
    assert pool.repeated == small["repeated"]
    assert len(pools.dropped) == (~pool.alive).sum() == (pool.copies == 0).sum()
    assert {one.reason for one in pools.dropped} == {"over_share"}


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60),
    st.floats(0.0, 5.0),
    st.integers(0, 2**32),
)
def test_copies_come_nearest_and_are_fair(sizes: list[int], factor: float, seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, 2**63, len(sizes)).astype(np.uint64)
    array = np.array(sizes, dtype=np.int64)
    copies = copies_for(places, array, factor * array.sum())
    assert abs((copies * array).sum() - factor * array.sum()) <= max(sizes) / 2 + 1e-6
    assert copies.max() - copies.min() <= 1
    # Those with the smallest hashes have one more.
    order = np.argsort(places, kind="stable")
    assert (np.diff(copies[order]) <= 0).all()


def test_only_training_text_is_mixed(pools: Any) -> None:
    pool = pools.of(lines(300, "a"), lines(30, "b"))
    held_out = np.arange(330) % 10 == 0
    mixed(pool, ["a", "b"], lambda pool: pool.alive & ~held_out, alpha=0)
    assert (pool.copies[held_out] == 1).all() and pool.alive[held_out].all()
    assert pool.copies[300:][~held_out[300:]].max() > 1


def test_a_small_source_is_not_repeated_without_end(pools: Any) -> None:
    pool = pools.of(lines(900, "a"), lines(3, "b"))
    said = mixed(pool, ["a", "b"], alpha=0, most_copies=4, unit="documents")
    assert pool.copies[900:].tolist() == [4, 4, 4]
    assert said["sources"][1]["wanted"] == 12
    assert said["sources"][0]["given"] == 451  # half of 903; of two as near the smaller


def test_a_size_of_ones_own_and_weights(pools: Any) -> None:
    pool = pools.of(lines(500, "a"), lines(500, "b"), lines(20, "c"))
    said = mixed(pool, ["a", "b", "c"], weights={"a": 3, "b": 1, "c": 0}, size=400, unit="documents")
    assert [one["given"] for one in said["sources"]] == [300, 100, 0]


def test_more_documents_bring_back_none_that_was_out(pools: Any) -> None:
    def chosen(count: int) -> set[str]:
        pool = pools.of(lines(count, "a"), lines(40, "b"))
        mixed(pool, ["a", "b"], alpha=0.5, size=200, unit="documents")
        return {one.text for batch in pool.batches() for one in batch if one.source_number == 0}

    assert not (chosen(900) - chosen(400)) & set(lines(400, "a"))


def test_nothing_but_weights_of_zero_is_refused(pools: Any) -> None:
    with pytest.raises(UserError, match="weight 0"):
        mixed(pools.of(lines(5, "a"), []), ["a", "b"], weights={"a": 0, "b": 1})


def test_the_settings_read_back(pools: Any) -> None:
    for written in ({}, {"weights": {"a": 1.5}}, {"alpha": 0.7}):
        mix = Mix.model_validate(written)
        assert Mix.model_validate(mix.model_dump(mode="json")) == mix
    assert Mix().alpha == 0.3
    with pytest.raises(ValueError, match="weights are taken as they are"):
        Mix.model_validate({"alpha": 0.5, "weights": {"a": 1}})
    with pytest.raises(ValueError, match="0 or more for 'a'"):
        Mix.model_validate({"weights": {"a": -1}})
