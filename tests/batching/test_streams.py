"""Streams: every token once, in order, the next segment where the last one ended; lengths as they are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from acclimate.artifacts import durable
from acclimate.batching.counter_random import stream
from acclimate.batching.sampler import Position
from acclimate.batching.streams import SHORTEST, StreamStore, drawn_lengths
from acclimate.batching.token_store import TokenStore
from acclimate.engine.feed import Feed
from acclimate.errors import UserError
from acclimate.recipe.units import Length

END = 1


@pytest.fixture
def store(tmp_path: Path):
    """store(lengths of documents) → a token store of them; tokens count from 100."""

    def make(*lengths: int) -> TokenStore:
        folder = durable.new_folder(tmp_path / "tokens")
        tokens, offsets = np.arange(100, 100 + sum(lengths)), np.cumsum([0, *lengths])
        durable.write_bytes(folder / "tokens.bin", tokens.astype("<u2").tobytes())
        durable.write_bytes(folder / "offsets.bin", offsets.astype("<i8").tobytes())
        durable.write_bytes(folder / "bytes.bin", np.array(lengths, "<i8").tobytes())
        counts = {"dtype": "<u2", "documents": len(lengths), "tokens": sum(lengths), "bytes": sum(lengths)}
        durable.write_json(folder / "counts.json", counts)
        return TokenStore(folder)

    return make


def text(*lengths: int) -> list[int]:
    """The documents with their ends."""
    found: list[int] = []
    for length in lengths:
        first = 100 + len([one for one in found if one != END])
        found += [*range(first, first + length), END]
    return found


def epoch_of(streams: StreamStore, number: int = 0) -> list[tuple[list[int], list[int]]]:
    """(inputs, targets) of each stream over an epoch, as training takes them."""
    feed = Feed(streams, batch=Length(streams.streams, "sequences"), seed=1)
    position, found = Position(number, 0), [([], []) for _ in range(streams.streams)]  # type: ignore[var-annotated]
    while position.epoch == number:
        helping = feed.take(position)
        (row,) = helping.micro_batches
        assert len(set(row.lengths.tolist())) == 1 and helping.tokens == len(row.tokens)
        begins = row.by_sequence["begins"].tolist()
        assert begins == [int(position.index == 0)] * streams.streams
        for b in range(streams.streams):
            places = slice(row.cu_seqlens[b], row.cu_seqlens[b + 1])
            found[b][0].extend(row.tokens[places].tolist())
            found[b][1].extend(row.by_token["next"][places].tolist())
        position = helping.following
    return found


@pytest.mark.parametrize("documents", [(7, 0, 5, 1), (3,), (0, 0, 9)])
def test_one_stream_is_the_whole_text_each_token_asked_for_once(store, documents) -> None:
    ((inputs, targets),) = epoch_of(StreamStore(store(*documents), 4, END))
    assert targets == text(*documents)
    assert inputs == [END, *targets[:-1]]


def test_streams_are_stretches_of_the_text_that_follow_each_other(store) -> None:
    whole = text(7, 5, 9)
    streams = StreamStore(store(7, 5, 9), 3, END, streams=5)
    found = epoch_of(streams)
    assert [one for _, targets in found for one in targets] == whole[:20]  # 24 tokens: 4 are left over
    assert [one for inputs, _ in found for one in inputs] == [END, *whole[:19]]
    assert streams.lengths.tolist() == [3] * 5 + [1] * 5
    assert streams.document_of(np.arange(10)).tolist() == [0, 0, 1, 1, 2, 0, 0, 1, 2, 2]


def test_drawn_lengths_are_other_each_epoch_and_cover_the_text(store) -> None:
    make = lambda seed: StreamStore(store(3000, 3000), 70, END, streams=2, seed=seed)  # noqa: E731
    whole = text(3000, 3000)
    streams = make(4)
    for epoch in (0, 1, 5):
        assert [one for _, targets in epoch_of(streams, epoch) for one in targets] == whole
    assert streams.cuts(0).tolist() != streams.cuts(1).tolist()
    assert streams.cuts(0).tolist() == make(4).cuts(0).tolist() != make(5).cuts(0).tolist()


def test_lengths_are_drawn_as_published() -> None:
    lengths = drawn_lengths(70, stream("test", 1), 200_000)
    about_half = lengths < 52
    assert about_half.mean() == pytest.approx(0.05, abs=0.002)
    assert lengths[~about_half].mean() == pytest.approx(69.5, abs=0.1)  # cut down to whole tokens
    assert lengths[~about_half].std() == pytest.approx(5, abs=0.1)
    assert lengths[about_half].mean() == pytest.approx(34.5, abs=0.3)
    assert drawn_lengths(8, stream("test", 1), 10_000).min() == SHORTEST


def test_a_step_of_drawn_length_has_its_share_of_the_rate(store) -> None:
    streams = StreamStore(store(6000), 70, END, seed=4)
    feed = Feed(streams, batch=Length(1, "sequences"), seed=1)
    position = Position()
    for _ in range(20):
        helping = feed.take(position)
        assert helping.rate == pytest.approx(helping.tokens / 70)
        position = helping.following
    assert (
        Feed(StreamStore(store(9), 4, END), batch=Length(1, "sequences"), seed=1).take(Position()).rate == 1
    )


def test_progress_is_the_share_of_the_text(store) -> None:
    streams = StreamStore(store(19), 8, END)
    feed = Feed(streams, batch=Length(1, "sequences"), seed=1)
    position, seen = Position(), []
    for _ in range(4):
        position = feed.take(position).following
        seen.append(feed.epochs(position))
    assert seen == [0.4, 0.8, 1.0, 1.4]


def test_fewer_tokens_than_streams_are_refused(store) -> None:
    with pytest.raises(
        UserError, match=r"has 6 tokens, too few for 7 streams: make `pretrain.batch` smaller"
    ):
        StreamStore(store(5), 4, END, streams=7)


def test_no_text_is_no_segment(store) -> None:
    streams = StreamStore(store(), 4, END)
    assert not len(streams.lengths)
    with pytest.raises(UserError, match="no text to train on"):
        streams.sampler()


def test_a_batch_that_is_not_one_of_each_stream_is_a_mistake(store) -> None:
    sampler = StreamStore(store(50), 4, END, streams=3).sampler()
    with pytest.raises(ValueError, match="one segment of each of 3 streams, not '4 sequences'"):
        sampler.take(Position(), Length(4, "sequences"))
