"""Texts whose words are judged one by one, tokenized and in memory; long ones are cut into windows.

Every word is judged in one window, at its first token. Where a text needs several windows an eighth of the room on
either side is given to tokens that are there as context alone.

Legend: N texts, W words of all texts, V windows, B windows asked for, T tokens in their row, L chains of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.form_store import FIRST_BOX, LAST_BOX
from acclimate.batching.packed import Sequences, positions_in
from acclimate.batching.word_windows import word_windows
from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ENCODE_AT_ONCE = 4_096
_CONTEXT = 8
"""One part in so many of a window's room is context, on either side."""

Words = NDArray[np.int64]
"""[n, 2] where each word of a text begins and ends, in characters; ascending, none over another."""


class WordStore:
    """The windows of the texts, each as the tokenizer puts a single text between special tokens."""

    def __init__(
        self,
        texts: Sequence[str],
        words: Sequence[Words],
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        *,
        tags: Sequence[NDArray[Any]] | None = None,
        boxes: Sequence[NDArray[Any]] | None = None,
    ) -> None:
        """words: of each text. tags: of each text its words' [n, L]. boxes: of each text its words' [n, 4], 0 to 1000.

        Raises UserError where `max_length` leaves no room beside the special tokens.
        """
        before, text, after = template(tokenizer).single
        self._around = np.array(before.tokens or (), np.int64), np.array(after.tokens or (), np.int64)
        told = "token_type_ids" in tokenizer.model_input_names
        self._segments = [np.array(one.segments, np.int64) * told for one in (before, text, after)]
        room = max_length - sum(map(len, self._around))
        if room < 1:
            raise UserError(f"a sequence length of {max_length} leaves no room beside the special tokens")
        sizes = np.array([len(one) for one in words], np.int64)
        self.words: NDArray[np.int64] = np.append(0, np.cumsum(sizes))
        """[N+1] where each text's words begin among all."""
        tokens, owners, firsts = _encoded(texts, words, tokenizer)
        self._tokens = np.concatenate([np.zeros(0, np.int32), *tokens])
        self._owners = np.concatenate([np.zeros(0, np.int64), *owners])
        self._first = np.concatenate([np.zeros(0, bool), *firsts])
        lengths = np.array([len(one) for one in tokens], np.int64)
        self._owners += np.repeat(self.words[:-1], lengths)
        self._tags = None if tags is None else np.concatenate(tags)
        self._boxes = None if boxes is None else np.concatenate(boxes)
        self._cut(lengths, room)

    def _cut(self, lengths: NDArray[np.int64], room: int) -> None:
        """Windows [V]: where each begins and ends among all tokens, and between what places it judges."""
        rows: list[tuple[int, int, int, int, int]] = []
        starts = np.append(0, np.cumsum(lengths))
        core = max(1, room - 2 * (room // _CONTEXT))
        for text, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=False)):
            if length <= room:
                rows.append((text, start, start + length, start, start + length))
                continue
            at = start
            for size in word_windows(self._first[start : start + length], core):
                left = max(start, at - (room - size) // 2)
                right = min(start + length, left + room)
                rows.append((text, max(start, right - room), right, at, at + size))
                at += size
        table = np.array(rows, np.int64).reshape(-1, 5)
        self.texts: NDArray[np.int64] = table[:, 0]
        """[V] the text that each window is of."""
        self._starts, self._sizes = table[:, 1], table[:, 2] - table[:, 1]
        self._from, self._to = table[:, 3], table[:, 4]
        self._begins, self._ends = self._from == starts[self.texts], self._to == starts[self.texts + 1]
        self.num_windowed = int((np.bincount(self.texts, minlength=1) > 1).sum())
        """How many texts are cut into windows."""
        self.lengths: NDArray[np.int64] = self._sizes + sum(map(len, self._around))

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The windows [B]; of each token `words` [T], at the first token of a word that is judged here its number among
        all, else −1, the word's `tags` [T, L] there, and `boxes` [T, 4]; of each window whether its text `begins` and
        `ends` in it [B]."""
        cu_seqlens = np.append(0, np.cumsum(self.lengths[ids])).astype(np.int64)
        within = positions_in(cu_seqlens) - len(self._around[0])
        size = np.repeat(self._sizes[ids], self.lengths[ids])
        inside = (within >= 0) & (within < size)
        places = (within + np.repeat(self._starts[ids], self.lengths[ids]))[inside]
        before, text, after = self._segments
        tokens, segments = np.empty(len(within), np.int64), np.full(len(within), text[0])
        tokens[inside] = self._tokens[places]
        for offset, token in enumerate(self._around[0]):
            tokens[cu_seqlens[:-1] + offset], segments[cu_seqlens[:-1] + offset] = token, before[offset]
        for offset, token in enumerate(self._around[1]):
            behind = cu_seqlens[1:] - len(self._around[1]) + offset
            tokens[behind], segments[behind] = token, after[offset]
        begin, end = (np.repeat(one[ids], self._sizes[ids]) for one in (self._from, self._to))
        asked = self._first[places] & (places >= begin) & (places < end)
        words = np.full(len(within), -1, np.int64)
        words[inside] = np.where(asked, self._owners[places], -1)
        return Sequences(
            tokens,
            cu_seqlens,
            segments,
            ids,
            epochs,
            by_token=self._about(words, inside, within < 0, places),
            by_sequence={"begins": self._begins[ids], "ends": self._ends[ids]},
        )

    def _about(
        self, words: NDArray[Any], inside: NDArray[Any], ahead: NDArray[Any], places: NDArray[Any]
    ) -> Mapping[str, NDArray[Any]]:
        found = {"words": words}
        if self._tags is not None:
            found["tags"] = np.full((len(words), self._tags.shape[1]), -1, np.int64)
            found["tags"][words >= 0] = self._tags[words[words >= 0]]
        if self._boxes is not None:
            found["boxes"] = np.where(ahead[:, None], FIRST_BOX, LAST_BOX)
            found["boxes"][inside] = self._boxes[self._owners[places]]
        return found


def _encoded(
    texts: Sequence[str], words: Sequence[Words], tokenizer: PreTrainedTokenizerFast
) -> tuple[list[NDArray[Any]], list[NDArray[Any]], list[NDArray[Any]]]:
    """Of each text its tokens, the word that each is of or stands behind, and whether it is the word's first one.

    A text is encoded whole, as programs that use the model will; only where a token takes in parts of two words, as it
    can in Chinese, the words are encoded one by one.
    """
    encoder = Encoder(tokenizer, literal=True)
    tokens, owners, firsts = [], [], []
    for at in range(0, len(texts), _ENCODE_AT_ONCE):
        some = list(texts[at : at + _ENCODE_AT_ONCE])
        row, lengths, spans = encoder.encode_spans(some)
        ends = np.cumsum(lengths)
        offset = 0
        for text, given, end, length in zip(some, words[at:], ends, lengths, strict=False):
            ids, span = row[end - length : end], spans[end - length : end] - offset
            offset += len(text)
            if _straddles(span, given):
                ids, span = _word_by_word(encoder, text, given)
            owner, first = _owned(span, given)
            tokens.append(ids.astype(np.int32))
            owners.append(owner)
            firsts.append(first)
    return tokens, owners, firsts


def _owned(span: NDArray[np.int64], words: Words) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(word of each token, whether it is the word's first); a token that takes in the space before its word ends in
    the word."""
    if not len(words) or not len(span):
        return np.zeros(len(span), np.int64), np.zeros(len(span), dtype=bool)
    last = np.maximum(span[:, 1] - 1, 0)
    owner = np.searchsorted(words[:, 0], last, side="right") - 1
    in_word = (owner >= 0) & (last < words[owner, 1]) & (span[:, 1] > span[:, 0])
    first = np.zeros(len(span), dtype=bool)
    _, place = np.unique(owner[in_word], return_index=True)
    first[np.flatnonzero(in_word)[place]] = True
    return np.maximum(owner, 0), first


def _straddles(span: NDArray[np.int64], words: Words) -> bool:
    """Whether a token takes in parts of two words."""
    if not len(words) or not len(span):
        return False
    from_word = np.searchsorted(
        words[:, 1], span[:, 0], side="right"
    )  # the first word that ends behind its start
    to_word = np.searchsorted(words[:, 0], np.maximum(span[:, 1] - 1, 0), side="right") - 1
    return bool((from_word < to_word).any())


def _word_by_word(encoder: Encoder, text: str, words: Words) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(tokens, where each begins and ends), every word with what stands between it and the one before."""
    # The gap goes with the word behind it, where byte-level vocabularies have it.
    cuts = sorted({0, *words[:-1, 1].tolist(), len(text)})
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    ids, _, spans = encoder.encode_spans(pieces)
    return ids, spans
