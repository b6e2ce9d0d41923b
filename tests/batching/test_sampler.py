from __future__ import annotations

import time

import numpy as np
import pytest

from acclimate.batching.packed import Sequences
from acclimate.batching.sampler import Position, Sampler, sequential, split_micro
from acclimate.errors import UserError
from acclimate.recipe.units import Length


def some_lengths(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(3, 129, count)


def stretch(sampler: Sampler, batch: str, steps: int, position: Position = Position()) -> tuple:
    ids, epochs, places = [], [], []
    for _ in range(steps):
        places.append(position)
        new_ids, new_epochs, position = sampler.take(position, Length.parse(batch))
        ids.append(new_ids)
        epochs.append(new_epochs)
    return ids, epochs, places


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 17, 255, 257])
@pytest.mark.parametrize("batch", ["5 sequences", "300 tokens"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_sequence_once_an_epoch_over_its_ends(count: int, batch: str, shuffle: bool) -> None:
    sampler = Sampler(some_lengths(count), seed=3, shuffle=shuffle)
    ids, epochs, _ = stretch(sampler, batch, 4 * count + 1)
    flat, epoch = np.concatenate(ids), np.concatenate(epochs)
    assert np.all(np.diff(epoch) >= 0)
    for number in range(epoch[-1]):
        assert np.array_equal(np.sort(flat[epoch == number]), np.arange(count))
    assert len(np.unique(flat[epoch == epoch[-1]])) == (epoch == epoch[-1]).sum()
    if not shuffle:
        assert np.array_equal(flat, np.arange(len(flat)) % count)


def test_any_position_gives_the_same_continuation() -> None:
    lengths = some_lengths(301)
    ids, epochs, places = stretch(Sampler(lengths, seed=5), "700 tokens", 120)
    for start in (0, 1, 17, 63, 118):
        position = Position(places[start].epoch, places[start].index)
        again, again_epochs, _ = stretch(Sampler(lengths, seed=5), "700 tokens", 120 - start, position)
        assert all(np.array_equal(a, b) for a, b in zip(again, ids[start:], strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(again_epochs, epochs[start:], strict=True))


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    orders = {}
    for seed in (0, 1, 2):
        sampler = Sampler(some_lengths(1000), seed)
        for epoch in (0, 1, 2):
            ids, epochs, _ = sampler.take(Position(epoch), Length.parse("1000 sequences"))
            assert set(epochs) == {epoch}
            orders[seed, epoch] = ids
    keys = list(orders)
    for i, first in enumerate(keys):
        for second in keys[i + 1 :]:
            assert (orders[first] == orders[second]).sum() < 12  # one place in a thousand agrees by chance


def test_token_batches_are_filled_and_never_over() -> None:
    lengths = some_lengths(500)
    lengths[::50] = 900  # longer than a batch
    ids, _, _ = stretch(Sampler(lengths, seed=1), "400 tokens", 300)
    ends = [batch[0] for batch in ids[1:]]
    for batch, following in zip(ids, ends, strict=False):
        total = lengths[batch].sum()
        assert total <= 400 or len(batch) == 1
        assert total + lengths[following] > 400  # the next one would not have fitted
    assert any(lengths[batch].sum() == 900 for batch in ids)


def test_a_batch_may_hold_several_epochs() -> None:
    ids, epochs, position = Sampler(np.array([4, 4, 4]), seed=0).take(
        Position(2, 1), Length.parse("10 sequences")
    )
    assert epochs.tolist() == [2, 2, 3, 3, 3, 4, 4, 4, 5, 5]
    assert position == Position(5, 2)
    ids, _, _ = Sampler(np.array([4, 4, 4]), seed=0).take(Position(), Length.parse("1k tokens"))
    assert len(ids) == 250
    # Very uneven lengths: the first guess of how many fit is far too small.
    lengths = np.full(10_000, 3)
    lengths[0] = 10_000_000
    ids, _, _ = Sampler(lengths, seed=0, shuffle=False).take(Position(0, 1), Length.parse("20k tokens"))
    assert len(ids) == 6666


def test_a_batch_costs_what_it_holds() -> None:
    batch = Length.parse("16k tokens")
    small, large = Sampler(some_lengths(10_000), 0), Sampler(some_lengths(5_000_000), 0)

    def seconds(sampler: Sampler) -> float:
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            sampler.take(Position(3, 7777), batch)
            best = min(best, time.perf_counter() - start)
        return best

    seconds(small)
    assert seconds(large) < 10 * seconds(
        small
    )  # 500 times the sequences; an order made whole takes 1000 times


def test_wrong_use_is_refused() -> None:
    with pytest.raises(UserError, match="no sequence"):
        Sampler(np.empty(0, np.int64), 0)
    with pytest.raises(ValueError, match="sequence 1 has length 0"):
        Sampler(np.array([3, 0]), 0)
    sampler = Sampler(np.array([3, 3]), 0)
    with pytest.raises(ValueError, match="outside"):
        sampler.take(Position(0, 2), Length.parse("1 sequences"))
    with pytest.raises(ValueError, match="steps"):
        sampler.take(Position(), Length.parse("3 steps"))


@pytest.mark.parametrize("by_length", [True, False])
@pytest.mark.parametrize("batch", ["7 sequences", "250 tokens"])
def test_sequential_sees_all_once(by_length: bool, batch: str) -> None:
    lengths = some_lengths(100)
    lengths[5] = 999
    batches = list(sequential(lengths, Length.parse(batch), by_length=by_length))
    flat = np.concatenate(batches)
    assert np.array_equal(np.sort(flat), np.arange(100))
    assert np.array_equal(flat, np.arange(100)) != by_length
    if by_length:
        assert np.all(np.diff(lengths[flat]) <= 0)
    for ids in batches:
        assert len(ids) <= 7 or "tokens" in batch
        assert lengths[ids].sum() <= 250 or len(ids) == 1 or "tokens" not in batch
    assert list(sequential(np.empty(0, np.int64), Length.parse(batch))) == []


def test_micro_batches_join_to_the_batch() -> None:
    lengths = some_lengths(50)
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.arange(cu_seqlens[-1])
    whole = Sequences(tokens, cu_seqlens, tokens % 2, np.arange(50) + 7, np.full(50, 2))
    assert split_micro(whole, None) == [whole]
    for micro in ("300 tokens", "8 sequences"):
        parts = split_micro(whole, Length.parse(micro))
        assert len(parts) > 1
        for name in ("tokens", "segments", "ids", "epochs", "lengths"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert np.array_equal(joined, getattr(whole, name))
        for part in parts:
            assert part.cu_seqlens[0] == 0 and part.cu_seqlens[-1] == len(part.tokens)
            assert len(part) <= 8 if "sequences" in micro else len(part.tokens) <= 300
