"""Spans of words as tags that a head can tell apart, and back.

Legend: W words, L chains of tags, K tags in a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.readers.spans import spans, split_tag

Scheme = Literal["iob2", "iobes"]
_LETTERS: dict[Scheme, str] = {"iob2": "BI", "iobes": "BIES"}


@dataclass(frozen=True)
class WordSpan:
    """A labelled run of words, the end exclusive."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class TagSet:
    """The tags of a task. Flat: one chain with the tags of all labels. Nested: a chain for each label, so that spans of
    different labels may lie in each other, and those of one label may not."""

    labels: tuple[str, ...]
    scheme: Scheme = "iob2"
    nested: bool = False

    @cached_property
    def chains(self) -> tuple[tuple[str, ...], ...]:
        """[L] the labels of each chain."""
        return tuple((label,) for label in self.labels) if self.nested else (self.labels,)

    @property
    def num_chains(self) -> int:
        """L"""
        return len(self.chains)

    @cached_property
    def tags(self) -> tuple[tuple[str, ...], ...]:
        """[L, K] the tags of each chain, O first."""
        letters = _LETTERS[self.scheme]
        return tuple(
            ("O", *(f"{letter}-{label}" for label in chain for letter in letters)) for chain in self.chains
        )

    @property
    def num_tags(self) -> int:
        """K, the same for every chain."""
        return len(self.tags[0])

    @property
    def names(self) -> tuple[str, ...]:
        """[L · K] a name of its own for every row of the head."""
        if not self.nested:
            return self.tags[0]
        return tuple(
            f"O-{chain[0]}" if tag == "O" else tag
            for chain, tags in zip(self.chains, self.tags, strict=True)
            for tag in tags
        )

    def expressed(self, wanted: Sequence[WordSpan]) -> list[WordSpan]:
        """Those spans that tags can say: of spans that lie over each other in one chain the longest, then the first."""
        chain = {label: number for number, labels in enumerate(self.chains) for label in labels}
        taken: set[tuple[int, int]] = set()
        kept: list[WordSpan] = []
        for one in sorted(wanted, key=lambda one: (one.start - one.end, one.start, one.label)):
            places = {(chain[one.label], word) for word in range(one.start, one.end)}
            if taken.isdisjoint(places):
                taken |= places
                kept.append(one)
        return kept

    def encode(self, wanted: Sequence[WordSpan], num_words: int) -> NDArray[np.int16]:
        """[W, L] the tags of words, of those spans that can be said."""
        tags = np.zeros((num_words, self.num_chains), np.int16)
        where = {
            label: (number, 1 + place * len(_LETTERS[self.scheme]))
            for number, labels in enumerate(self.chains)
            for place, label in enumerate(labels)
        }
        for one in self.expressed(wanted):
            chain, first = where[one.label]
            tags[one.start : one.end, chain] = first + 1
            tags[one.start, chain] = first
            if self.scheme == "iobes":
                tags[one.end - 1, chain] = first + (2 if one.end - one.start > 1 else 3)
        return tags

    def decode(self, tags: NDArray[np.integer]) -> list[WordSpan]:
        """The spans that tags [W, L] mean, read leniently (`corpus/readers/spans.py`), each chain by itself."""
        found = []
        for number, names in enumerate(self.tags):
            row = tags[:, number]
            if row.any():
                found += [
                    WordSpan(one.label, one.start, one.end)
                    for one in spans([names[tag] for tag in row.tolist()])
                ]
        return sorted(found, key=lambda one: (one.start, one.end, one.label))

    def rules(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Which tag may follow which [K, K], begin a text [K], and end one [K]; the same for every chain."""
        pairs = [split_tag(tag) for tag in self.tags[0]]
        goes_on = np.array([letter in "IE" for letter, _ in pairs])
        left_open = np.array([letter in "BI" for letter, _ in pairs])
        same = np.array([[label == after for _, after in pairs] for _, label in pairs])
        follows = left_open[:, None] & goes_on & same
        if self.scheme == "iob2":
            return follows | ~goes_on, ~goes_on, np.ones(len(pairs), dtype=bool)
        return follows | (~left_open[:, None] & ~goes_on), ~goes_on, ~left_open
