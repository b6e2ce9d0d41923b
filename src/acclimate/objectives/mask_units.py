"""Whole words, n-grams and spans to be hidden together.

Legend: C candidates (tokens that may be hidden, in row order), W words, G groups of words, B sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import mix

Unit = Literal["token", "word", "ngram", "span"]

SHARES: Mapping[str, NDArray[np.float64]] = {
    "word": np.array([1.0]),
    "ngram": 1 / np.arange(1, 4),
    "span": np.power(0.8, np.arange(10, dtype=np.float64)),
}
"""Of 1, 2, … words in a group: how often, relative to each other."""
_LENGTHS, _ROUNDING = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
"""Make of one word of random bits others that have nothing to do with it."""


@dataclass(frozen=True)
class Candidates:
    """Tokens that may be hidden."""

    places: NDArray[np.int64]
    """[C] where they stand in the row, ascending."""
    owner: NDArray[np.int64]
    """[C] the sequence of each."""
    bits: NDArray[np.uint64]
    """[C] random bits of each."""
    starts: NDArray[np.uint8]
    """[C] 1 where a word starts."""


def chosen_groups(
    candidates: Candidates, num_sequences: int, rate: float, shares: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(which candidates are hidden, ascending; the first candidate of the group of each).

    The words of a text are cut into groups, their lengths drawn with these shares (but no group of more words than
    tokens are due). Of the groups of each sequence as many are taken as the rate says, one at least, each as likely as
    others; what is left over of the product is a probability, so that the mean is right. A group ends where the
    candidates do: at a special token.
    """
    if not len(candidates.places):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    tokens = np.bincount(candidates.owner, minlength=num_sequences)
    first = _groups(candidates, np.maximum(1, np.rint(rate * tokens)).astype(np.int64), shares)
    owner, bits = candidates.owner[first], candidates.bits[first]  # [G]
    counts = np.bincount(owner, minlength=num_sequences)
    begins = np.cumsum(counts) - counts
    chance = _uniform(bits[np.minimum(begins, len(bits) - 1)], _ROUNDING)
    wanted = np.maximum(1, np.floor(rate * counts + chance).astype(np.int64))
    order = np.argsort((owner.astype(np.uint64) << np.uint64(32)) | (bits >> np.uint64(32)), kind="stable")
    taken = np.empty(len(order), np.bool_)
    taken[order] = np.arange(len(order)) - begins[owner] < wanted[owner]
    sizes = np.diff(np.append(first, len(candidates.places)))
    hidden = np.repeat(taken, sizes)
    return np.flatnonzero(hidden), np.repeat(first, sizes)[hidden]


def _groups(
    candidates: Candidates, most: NDArray[np.int64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """[G] the first candidate of each group; a group has as many words as `most` [B] says, or fewer."""
    apart = np.ones(len(candidates.places), np.bool_)
    apart[1:] = np.diff(candidates.places) > 1  # a special token, or the end of a sequence, stands between
    words = np.flatnonzero(apart | (candidates.starts > 0))  # [W] the first candidate of each
    run = np.cumsum(apart[words]) - 1
    limits = np.cumsum(shares) / shares.sum()
    drawn = 1 + np.searchsorted(limits[:-1], _uniform(candidates.bits[words], _LENGTHS), side="right")
    lengths = np.minimum(drawn, most[candidates.owner[words]])
    # The n-th word of a run lends its draw to the run's n-th group.
    sizes = np.bincount(run)
    firsts = np.cumsum(sizes) - sizes
    sums = np.cumsum(lengths) - lengths
    begins = sums - sums[firsts][run]  # in words, counted from the run's first
    return words[(firsts[run] + begins)[begins < sizes[run]]]


def _uniform(bits: NDArray[np.uint64], salt: np.uint64) -> NDArray[np.float64]:
    """A number in [0, 1) of each."""
    return (mix(bits ^ salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53
