"""Where whole sequences come from: windows of a corpus, or the labelled examples of a task.

Legend: D documents, N sequences, B sequences asked for, T tokens in their row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.batching.token_store import TokenStore
from acclimate.errors import UserError
from acclimate.kernels import text as kernels
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import Part, template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ENCODE_AT_ONCE = 4_096


class SequenceStore(Protocol):
    """Sequences by number."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[N] tokens of each sequence, special ones included."""
        ...

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The sequences [B] in one row, in the order asked for; `epochs` [B] is passed on."""
        ...


class TextStore(SequenceStore, Protocol):
    """Sequences made of a corpus's text."""

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        ...

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, special ones left out."""
        ...

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the document that each sequence [B] is from."""
        ...


def windows(offsets: NDArray[np.int64], room: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(first token, size) of the windows into which documents are cut, that start at offsets [D+1].

    A document of n tokens is cut into as few windows as will do, of equal length up to one token: no short
    rest, which would be trained on almost without context. Empty documents have none.
    """
    sizes = np.diff(offsets)
    counts = -(-sizes // room)
    first = np.cumsum(counts) - counts
    number = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(first, counts)
    size, count = np.repeat(sizes, counts), np.repeat(counts, counts)
    begin = number * size // count if len(count) else number
    return begin + np.repeat(offsets[:-1], counts), (number + 1) * size // np.maximum(count, 1) - begin


class WindowStore:
    """The documents of a token store cut into windows, each as `[CLS] window [SEP]`.

    The index takes 16 bytes a window in memory, and about 50 for a moment while it is made; tokens stay on disk.
    """

    def __init__(self, tokens: TokenStore, sequence_length: int, cls_id: int, sep_id: int) -> None:
        """`sequence_length` counts the two special tokens."""
        room = sequence_length - 2
        if room < 1:
            raise UserError(f"sequence_length {sequence_length} leaves no room beside two special tokens")
        self._store = tokens
        self._ends = cls_id, sep_id
        self._starts, sizes = windows(np.asarray(tokens.offsets), room)
        self.lengths: NDArray[np.int64] = sizes + 2

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return self._store.num_bytes

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, special ones left out."""
        return self._store.num_tokens

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the document that each window [B] is from."""
        places = np.searchsorted(self._store.offsets, self._starts[ids], side="right") - 1
        return places.astype(np.int64)

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The windows [B] in one row."""
        lengths = self.lengths[ids]
        cu_seqlens = _cumulated(lengths)
        if kernels.available():
            tokens = kernels.rows(self._store.tokens, self._starts[ids], cu_seqlens, *self._ends)
        else:
            tokens = self._gathered(ids, cu_seqlens)
        none = np.zeros(len(tokens), np.int64)
        return Sequences(tokens, cu_seqlens, none, ids, epochs, self._marks(ids, cu_seqlens))

    def _places(self, ids: NDArray[np.int64], cu_seqlens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each token of the row stands in the store; the two special ones look one beside their window."""
        places = np.arange(cu_seqlens[-1])
        places += np.repeat(self._starts[ids] - cu_seqlens[:-1] - 1, np.diff(cu_seqlens))
        return np.clip(places, 0, max(0, self._store.num_tokens - 1), out=places)

    def _marks(self, ids: NDArray[np.int64], cu_seqlens: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
        """Where words and sentences start, if the store knows. A window's first token starts what is left of one; the
        special tokens are words of their own, and in no sentence."""
        if not self._store.mark_names or not len(ids):
            return {}
        found = self._store.marks_at(self._places(ids, cu_seqlens))
        for name, marks in found.items():
            marks[cu_seqlens[:-1]] = marks[cu_seqlens[1:] - 1] = name == "words"
            marks[cu_seqlens[:-1] + 1] = 1
        return found

    def _gathered(self, ids: NDArray[np.int64], cu_seqlens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The kernel's twin."""
        tokens = np.empty(cu_seqlens[-1], dtype=np.int64)
        places = self._places(ids, cu_seqlens)
        if len(tokens):
            tokens[:] = self._store.tokens[places]
        tokens[cu_seqlens[:-1]] = self._ends[0]
        tokens[cu_seqlens[1:] - 1] = self._ends[1]
        return tokens


class ExampleStore:
    """The texts of a task, tokenized and in memory: 5 bytes a token."""

    def __init__(
        self,
        tokens: NDArray[np.int32],
        segments: NDArray[np.uint8],
        lengths: NDArray[np.int64],
        num_truncated: int,
    ) -> None:
        self._tokens = tokens
        self._segments = segments
        self.lengths = lengths
        self._starts = _cumulated(lengths)
        self.num_truncated = num_truncated
        """How many examples lost tokens to `max_length`."""

    @classmethod
    def from_texts(
        cls,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
    ) -> ExampleStore:
        """Tokenize as a call of the tokenizer would, cutting the longer text of a pair first.

        Special tokens and segments are the tokenizer's own. Raises UserError when `max_length` leaves no room
        for them and a token of each text, or the tokenizer has no special tokens to put.
        """
        form = template(tokenizer)
        parts = form.single if pairs is None else form.pair
        num_texts = 1 if pairs is None else 2
        room = max_length - sum(len(part.tokens) for part in parts if part.tokens)
        if room < num_texts:
            raise UserError(
                f"a sequence length of {max_length} leaves room for {max(0, room)} tokens of text beside "
                f"{max_length - room} special ones; at least {max_length - room + num_texts} is needed"
            )
        encoder = Encoder(tokenizer, literal=False)
        columns = [encoded(encoder, column) for column in ((texts,) if pairs is None else (texts, pairs))]
        if pairs is None:
            kept = [np.minimum(columns[0][1], room)]
        else:
            if len(texts) != len(pairs):
                raise ValueError(f"{len(texts)} texts and {len(pairs)} second texts")
            kept = list(longest_first(columns[0][1], columns[1][1], room))
        cut = np.zeros(len(texts), dtype=bool)
        for (_, full), short in zip(columns, kept, strict=True):
            cut |= short < full
        tokens, segments, lengths = assembled(parts, columns, kept)
        if "token_type_ids" not in tokenizer.model_input_names:
            # A plain call of such a tokenizer gives none, so its users will never tell the model of segments.
            segments[:] = 0
        return cls(tokens, segments, lengths, num_truncated=int(cut.sum()))

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The examples [B] in one row."""
        lengths = self.lengths[ids]
        cu_seqlens = _cumulated(lengths)
        places = np.arange(cu_seqlens[-1]) + np.repeat(self._starts[ids] - cu_seqlens[:-1], lengths)
        return Sequences(
            self._tokens[places].astype(np.int64),
            cu_seqlens,
            self._segments[places].astype(np.int64),
            ids,
            epochs,
        )


def longest_first(
    first: NDArray[np.int64], second: NDArray[np.int64], room: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What is kept of pairs of lengths [N], when tokens leave the longer text until both fit in `room`.

    Of two texts that are both cut, the longer keeps the odd token; of equal ones the second.
    """
    share = room // 2 + np.where(first > second, room % 2, 0)
    kept_first = np.minimum(first, np.maximum(share, room - second))
    kept_second = np.minimum(second, np.maximum(room - share, room - first))
    return kept_first, kept_second


def encoded(encoder: Encoder, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(tokens in one row, lengths [N])."""
    pieces = [
        encoder.encode(texts[at : at + _ENCODE_AT_ONCE]) for at in range(0, len(texts), _ENCODE_AT_ONCE)
    ]
    none = np.empty(0, np.int64)
    return (
        np.concatenate([none, *(tokens for tokens, _ in pieces)]),
        np.concatenate([none, *(lengths for _, lengths in pieces)]),
    )


def assembled(
    parts: tuple[Part, ...],
    columns: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    kept: list[NDArray[np.int64]],
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]:
    """(tokens, segments, lengths [N]): the parts of every example written to their places, a whole column at
    a time.
    """
    number = len(kept[0])
    sizes = iter(kept)
    widths = [np.full(number, len(part.tokens)) if part.tokens is not None else next(sizes) for part in parts]
    lengths: NDArray[np.int64] = np.stack(widths).sum(axis=0)
    place = _cumulated(lengths)[:-1]
    tokens = np.empty(int(lengths.sum()), np.int32)
    segments = np.empty(len(tokens), np.uint8)
    sources: Any = iter(columns)
    for part, width in zip(parts, widths, strict=True):
        if part.tokens is not None:
            for offset, (token, segment) in enumerate(zip(part.tokens, part.segments, strict=True)):
                tokens[place + offset] = token
                segments[place + offset] = segment
        else:
            ids, full = next(sources)
            within = np.arange(int(width.sum())) - np.repeat(_cumulated(width)[:-1], width)
            target = within + np.repeat(place, width)
            tokens[target] = ids[within + np.repeat(_cumulated(full)[:-1], width)]
            segments[target] = part.segments[0]
        place = place + width
    return tokens, segments, lengths


def _cumulated(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N+1] where each begins, and the end."""
    cumulated = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=cumulated[1:])
    return cumulated
