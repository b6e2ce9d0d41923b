"""A corpus as one long text that a model reads from its beginning to its end, as a recurrent one does.

The text is all documents of a token store in their order, each followed by the end-of-text token, and before it one
more such token to begin with. It is cut into B streams of equal length, read side by side: step k of an epoch is the
k-th segment of each. So the state after a segment is that before the same stream's next one.

Legend: B streams, N tokens of the text, S segments of a stream, T tokens of a row.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import Sequences
from acclimate.batching.sampler import Position
from acclimate.errors import UserError
from acclimate.recipe.units import Length

if TYPE_CHECKING:
    from acclimate.batching.token_store import TokenStore

SHORTEST = 5
"""Of the segments whose lengths are drawn."""
_SPREAD = 5.0
_USUAL = 0.95


class StreamStore:
    """Segments by number: number k·B + b is segment k of stream b.

    What a token is followed by stands in `by_token["next"]`, and `by_sequence["begins"]` tells whether a segment is the
    first of its stream. Of N tokens the N mod B last ones are left out, none where B is 1.
    """

    def __init__(
        self,
        tokens: TokenStore,
        length: int,
        end_id: int,
        *,
        streams: int = 1,
        seed: int | None = None,
    ) -> None:
        """`length` of a segment. With a seed lengths are drawn anew each epoch (Merity et al. 2018): about `length`, or
        half of it in one case of twenty, give or take 5 tokens; never less than 5.

        Raises UserError for fewer tokens than streams.
        """
        self.streams = streams
        self._store, self._length, self._end = tokens, length, end_id
        self._key = None if seed is None else stream("lengths of segments", seed)
        self._starts = np.asarray(tokens.offsets) + np.arange(tokens.num_documents + 1)
        """[D+1] where each document begins in the text with its ends."""
        self._cut: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        self._size = int(self._starts[-1])
        self._each = self._size // streams
        if self._size and not self._each:
            raise UserError(
                f"the text has {self._size} tokens, too few for {streams} streams: make `pretrain.batch` smaller"
            )
        self.lengths: NDArray[np.int64] = np.repeat(np.diff(self.cuts(0)), streams)
        """[S·B] of the segments of the first epoch, in their order."""

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return self._store.num_bytes

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, ends left out."""
        return self._store.num_tokens

    def cuts(self, epoch: int) -> NDArray[np.int64]:
        """[S+1] where the segments of a stream begin in it, in this epoch; the last entry is the stream's length."""
        epoch = 0 if self._key is None else epoch
        if self._cut[0] != epoch:
            ends = np.arange(self._length, self._each, self._length)
            if self._key is not None:
                keys = absorb(self._key, np.array([epoch]))
                ends = np.cumsum(drawn_lengths(self._length, keys, math.ceil(self._each / SHORTEST)))
            inner = ends[ends < self._each]
            self._cut = (
                epoch,
                np.concatenate([[0], inner, [self._each] if self._each else []]).astype(np.int64),
            )
        return self._cut[1]

    def rate(self, epoch: int, segment: int) -> float:
        """The segment's length by the usual one where lengths are drawn, else 1."""
        if self._key is None:
            return 1.0
        return float(np.diff(self.cuts(epoch)[segment : segment + 2])[0]) / self._length

    def sampler(self) -> StreamSampler:
        """The order in which training takes the segments."""
        return StreamSampler(self)

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the document in which each segment [B] begins (of the first epoch, where lengths are drawn)."""
        places = ids % self.streams * self._each + self.cuts(0)[:-1][ids // self.streams]
        return np.searchsorted(self._starts, places, side="right") - 1

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The segments [B] in one row, all of one epoch."""
        cuts = self.cuts(int(epochs[0]) if len(epochs) else 0)
        number, own = np.divmod(ids, self.streams)
        lengths = cuts[number + 1] - cuts[number]
        cu_seqlens = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        begins = own * self._each + cuts[number]
        places = np.arange(cu_seqlens[-1]) + np.repeat(begins - cu_seqlens[:-1], lengths)
        return Sequences(
            self._text(places - 1),
            cu_seqlens,
            np.zeros(len(places), np.int64),
            ids,
            epochs,
            by_token={"next": self._text(places)},
            by_sequence={"begins": (number == 0).astype(np.int64)},
        )

    def _text(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tokens at places of the text; before it stands an end."""
        documents = np.searchsorted(self._starts, places, side="right") - 1
        is_end = places == self._starts[documents + 1] - 1
        is_end |= places < 0
        at = np.clip(places - documents, 0, max(0, self._store.num_tokens - 1))
        found = np.asarray(self._store.tokens[at], dtype=np.int64) if self._store.num_tokens else at
        return np.where(is_end, self._end, found)


def drawn_lengths(length: int, keys: NDArray[np.uint64], number: int) -> NDArray[np.int64]:
    """[number] lengths of segments: ⌊x⌋, at least 5, x normal with deviation 5 about `length`, one time in twenty half
    of it; keys [1]."""
    counters = np.arange(3 * number, dtype=np.uint64)
    which, first, second = ((draw(keys, counters) >> np.uint64(11)) + 0.5).reshape(number, 3).T / 2**53
    normal = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)  # Box and Muller 1958
    mean = np.where(which < _USUAL, length, length / 2)
    return np.maximum(SHORTEST, (mean + _SPREAD * normal).astype(np.int64))


class StreamSampler:
    """Each segment once an epoch, in order; a step takes the same segment of every stream."""

    def __init__(self, store: StreamStore) -> None:
        """Raises UserError when there is no text."""
        if not len(store.lengths):
            raise UserError("there is no text to train on: every document is empty")
        self._store = store

    def take(
        self, position: Position, batch: Length
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Position]:
        """(ids [B], epochs [B], next position). Raises ValueError for a batch that is not one of each stream."""
        streams = self._store.streams
        if batch.unit != "sequences" or int(batch.amount) != streams:
            raise ValueError(f"a step takes one segment of each of {streams} streams, not '{batch}'")
        ids = position.index + np.arange(streams, dtype=np.int64)
        following = Position(position.epoch, position.index + streams)
        if following.index // streams >= len(self._store.cuts(position.epoch)) - 1:
            following = Position(position.epoch + 1, 0)
        return ids, np.full(streams, position.epoch, dtype=np.int64), following

    def lengths(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] tokens of each."""
        return np.diff(self._store.cuts(int(epochs[0])))[ids // self._store.streams]

    def epochs(self, position: Position) -> float:
        """How many times the text was read at this position."""
        cuts = self._store.cuts(position.epoch)
        return position.epoch + float(cuts[position.index // self._store.streams]) / float(cuts[-1])

    def rate(self, position: Position) -> float:
        """What the learning rate is multiplied by: where lengths are drawn, this step's by the usual one."""
        return self._store.rate(position.epoch, position.index // self._store.streams)
