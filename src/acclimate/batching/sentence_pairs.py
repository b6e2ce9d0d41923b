"""Pairs of neighbouring stretches of a document, and what stands in the second one's place.

Legend: N pairs, B pairs asked for, S sentences, T tokens in their row.

A document is cut into windows (`sequence_store.py`), a window at the start of one of its sentences into two texts. Each
time a pair is drawn it is shown in one of a few orders: as it stands, turned round, or with the second text of another
document. What a model could tell these by besides their meaning is made equal: the stranger is the second text of a
pair whose second text has the same length. Where too few have, those of nearly the same length are cut to the shortest
of them, whether they are strangers or not. So the lengths of all pairs are known before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import Sequences
from acclimate.batching.sequence_store import windows
from acclimate.batching.token_store import TokenStore
from acclimate.errors import UserError
from acclimate.tokenizer.template import Part

Order = Literal["next", "previous", "other"]
ORDER = "order"
"""Name in `by_sequence` of a pair's order [B]: its number among those that the store draws from."""
ENOUGH, ALIKE = 64, 0.8
"""Second texts of one length are enough strangers for each other; else shorter ones join, down to this share of it."""


class SentencePairStore:
    """The pairs of a token store, put together as the tokenizer puts pairs: `[CLS] first [SEP] second [SEP]`.

    A window that holds no other sentence's start is cut in its middle. Documents of one token have no pair, and where
    strangers are wanted a store of one document has none.
    """

    def __init__(
        self,
        tokens: TokenStore,
        sequence_length: int,
        parts: tuple[Part, ...],
        orders: Sequence[Order],
        seed: int,
    ) -> None:
        """`sequence_length` counts special tokens, `parts` are those of the tokenizer's template."""
        special = sum(len(part.tokens) for part in parts if part.tokens is not None)
        if sequence_length - special < 2:
            raise UserError(
                f"sequence_length {sequence_length} leaves no room for two texts beside {special} special tokens"
            )
        self._store, self._parts, self._orders = tokens, parts, tuple(orders)
        starts, sizes = windows(np.asarray(tokens.offsets), sequence_length - special)
        starts, sizes = starts[sizes > 1], sizes[sizes > 1]
        self._starts: NDArray[np.int64] = starts
        self._key = stream("orders of sentence pairs", seed)
        bits = draw(
            absorb(stream("cuts of sentence pairs", seed), np.arange(len(starts))), np.zeros(1, np.uint64)
        )
        self._cuts, at_sentence = _cuts(tokens.sentence_starts(), starts, sizes, bits)
        self._second = starts + sizes - self._cuts  # [N] tokens of the second text
        self._strangers: Strangers | None = None
        if "other" in self._orders:
            documents = self.document_of(np.arange(len(starts)))
            if len(np.unique(documents)) > 1:
                self._strangers = Strangers.of(self._second, ~at_sentence, documents)
                self._second = self._strangers.kept
            else:
                self._starts = self._cuts = self._second = starts[:0]
        self.lengths: NDArray[np.int64] = self._cuts - self._starts + self._second + special

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return self._store.num_bytes

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, special ones left out."""
        return self._store.num_tokens

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the document that each window [B] is from; a stranger is from another one."""
        places = np.searchsorted(self._store.offsets, self._starts[ids], side="right") - 1
        return places.astype(np.int64)

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The pairs [B] in one row, each in an order that is a function of (seed, epoch, id)."""
        keys = absorb(absorb(self._key, epochs), ids)
        bits = draw(keys, np.zeros(1, np.uint64))
        order = below(bits, np.full(len(ids), len(self._orders)))
        name = np.array(self._orders)[order]
        second = self._cuts[ids]
        if self._strangers is not None:
            other = self._strangers.draw(ids, draw(keys, np.ones(1, np.uint64)))
            second = np.where(name == "other", self._cuts[other], second)
        firsts, sizes = self._starts[ids], self._cuts[ids] - self._starts[ids]
        turned, others = name == "previous", self._second[ids]
        texts = [
            (np.where(turned, second, firsts), np.where(turned, others, sizes)),
            (np.where(turned, firsts, second), np.where(turned, sizes, others)),
        ]
        return self._assembled(ids, epochs, texts, order)

    def _assembled(
        self,
        ids: NDArray[np.int64],
        epochs: NDArray[np.int64],
        texts: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
        order: NDArray[np.int64],
    ) -> Sequences:
        """The texts, (where each begins in the store [B], its size [B]), between the special tokens."""
        cu_seqlens = np.concatenate([[0], np.cumsum(self.lengths[ids])]).astype(np.int64)
        total = int(cu_seqlens[-1])
        tokens, segments = np.empty(total, np.int64), np.empty(total, np.int64)
        marks = {name: np.full(total, name == "words", np.uint8) for name in self._store.mark_names}
        at, left = cu_seqlens[:-1].copy(), list(texts)
        for part in self._parts:
            if part.tokens is not None:
                for token, segment in zip(part.tokens, part.segments, strict=True):
                    tokens[at], segments[at] = token, segment
                    at += 1
                continue
            begins, sizes = left.pop(0)
            within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            places, row = within + np.repeat(begins, sizes), within + np.repeat(at, sizes)
            tokens[row] = self._store.tokens[places]
            segments[row] = part.segments[0]
            for name, found in self._store.marks_at(places).items():
                marks[name][row] = found
                marks[name][at] = 1  # a text's first token starts what is left of a word
            at += sizes
        return Sequences(tokens, cu_seqlens, segments, ids, epochs, marks, {ORDER: order})


def _cuts(
    sentences: NDArray[np.int64],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    bits: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """([N] where each window's second text begins, whether a sentence does there): any of the inner sentences' starts
    is as likely; sentences [S] ascending."""
    first = np.searchsorted(sentences, starts, side="right")
    number = np.searchsorted(sentences, starts + sizes, side="left") - first
    middle = starts + sizes // 2
    chosen = np.minimum(first + below(bits, np.maximum(1, number)), max(0, len(sentences) - 1))
    found = sentences[chosen] if len(sentences) else middle
    return np.where(number > 0, found, middle), number > 0


@dataclass(frozen=True)
class Strangers:
    """For each pair the pairs of other documents whose second text may stand in for its own."""

    kept: NDArray[np.int64]
    """[N] tokens that are kept of each second text: as many in all pairs of one class."""
    _members: NDArray[np.int64]
    """[N] the pairs, class after class, in a class document after document."""
    _class: NDArray[np.int64]
    """[N, 2] where each pair's class begins and ends among the members."""
    _own: NDArray[np.int64]
    """[N, 2] where the pairs of its own document begin and end among them."""

    @classmethod
    def of(
        cls, sizes: NDArray[np.int64], inside: NDArray[np.bool_], documents: NDArray[np.int64]
    ) -> Strangers:
        """sizes [N] of second texts; `inside` [N]: those that start inside a sentence, which shall be strangers to each
        other; documents [N], two at least."""
        # Long ones first; those inside sentences after the others and the other way round, so that short meet short.
        rank = np.where(inside, sizes + 1, -sizes)
        order = np.lexsort((documents, rank))
        ends = _class_ends(rank[order], documents[order])
        number = np.searchsorted(ends, np.arange(len(order)), side="right")  # of each member's class
        members = order[np.lexsort((documents[order], number))]
        begins = np.append(0, ends[:-1])
        kept, spans, own = (
            np.empty_like(sizes),
            np.empty((len(sizes), 2), np.int64),
            np.empty((len(sizes), 2), np.int64),
        )
        kept[members] = np.minimum.reduceat(sizes[members], begins)[number]
        spans[members] = np.stack([begins[number], ends[number]], axis=1)
        block = np.append(True, (np.diff(documents[members]) != 0) | (np.diff(number) != 0))
        block_starts = np.flatnonzero(block)
        block_ends = np.append(block_starts[1:], len(members))
        which = np.cumsum(block) - 1
        own[members] = np.stack([block_starts[which], block_ends[which]], axis=1)
        return cls(kept, members, spans, own)

    def draw(self, ids: NDArray[np.int64], bits: NDArray[np.uint64]) -> NDArray[np.int64]:
        """[B] a pair of another document for each of the pairs [B], every one of its class as likely."""
        begin, end = self._class[ids].T
        own_begin, own_end = self._own[ids].T
        place = begin + below(bits, end - begin - (own_end - own_begin))
        return self._members[np.where(place < own_begin, place, place + own_end - own_begin)]


def _class_ends(rank: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where classes end among members sorted by rank [N]. Each has two documents at least, and ENOUGH members unless
    the next length is another one."""
    edges = np.append(np.flatnonzero(np.diff(rank)) + 1, len(rank))  # one for each length: few
    least, most = (
        reduce(documents, np.append(0, edges[:-1])) for reduce in (np.minimum.reduceat, np.maximum.reduceat)
    )
    ends: list[int] = []
    begin, low, high = 0, documents.max(), documents.min()
    for number, edge in enumerate(edges.tolist()):
        low, high = min(low, least[number]), max(high, most[number])
        further = edge < len(rank) and _alike(rank[begin], rank[edge])
        if low < high and (edge - begin >= ENOUGH or not further):
            ends.append(edge)
            begin, low, high = edge, documents.max(), documents.min()
    if begin < len(rank):  # what is left has one document alone
        ends = [*ends[:-1], len(rank)]
    return np.array(ends, dtype=np.int64)


def _alike(first: int, second: int) -> bool:
    """Whether texts of these ranks may be cut to the shorter one's length."""
    shorter, longer = sorted((abs(first), abs(second)))
    return (first < 0) == (second < 0) and shorter >= ALIKE * longer


def below(bits: NDArray[np.uint64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """A whole number in [0, bound) for each of the bounds, all below 2**31, from the upper 32 bits."""
    return (((bits >> np.uint64(32)) * bounds.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
