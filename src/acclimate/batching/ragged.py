"""Choices inside many sequences at once: the random bits are given, nothing is drawn here.

Legend: B sequences, N items of all of them, one after the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import draw


def owners(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N] whose each item is, of sizes [B]."""
    return np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)


def starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """[B+1] where each sequence's items begin, of sizes [B]."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def within(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N] each item's number in its sequence, of sizes [B]."""
    return np.arange(int(sizes.sum()), dtype=np.int64) - np.repeat(starts(sizes)[:-1], sizes)


def order(keys: NDArray[np.uint64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N] the items of each sequence in a random order: every one is equally likely. keys [B] decide it."""
    owner = owners(sizes)
    bits = draw(keys[owner], within(sizes).astype(np.uint64))
    # By owner first, then by the upper bits of what was drawn.
    return np.argsort((owner.astype(np.uint64) << np.uint64(32)) | (bits >> np.uint64(32)), kind="stable")


def chosen(keys: NDArray[np.uint64], sizes: NDArray[np.int64], due: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[N] True for `due` [B] of each sequence's items; every set of that size is equally likely. keys [B] decide it."""
    found = np.zeros(int(sizes.sum()), dtype=bool)
    found[order(keys, sizes)[within(sizes) < np.repeat(due, sizes)]] = True
    return found


def parts(
    keys: NDArray[np.uint64], totals: NDArray[np.int64], number: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[number.sum()] totals [B] cut into so many [B] parts of at least one each, every cut equally likely; a total
    of 0 is one part of 0. keys [B] decide it. Needs 1 ≤ number ≤ max(1, totals)."""
    gaps = np.maximum(totals - 1, 0)
    places = np.flatnonzero(chosen(keys, gaps, number - 1))
    owner = owners(gaps)[places]
    cuts = places - starts(gaps)[owner] + 1
    # Each sequence's cuts, with 0 before them; a part ends where the next begins, the last one at the total.
    begins = np.zeros(int(number.sum()), dtype=np.int64)
    is_first = within(number) == 0
    begins[~is_first] = cuts
    ends = np.empty_like(begins)
    ends[:-1] = begins[1:]
    ends[starts(number)[1:] - 1] = totals
    return ends - begins
