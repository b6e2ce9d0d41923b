"""Which text of a group of near-duplicates stays, and which one each of the others is dropped for.

Groups are closed over chains: the last of a chain may be unlike the first. So inside a group texts are gone through in
reading order: one is dropped for the first kept text that it is truly similar to, and kept if there is none. Nothing is
dropped for a text that is itself dropped, and no two kept texts of a group are similar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.duplicates.near import ShingleStore, similarities
from acclimate.corpus.duplicates.shingles import Shingles

_SMALL = 64
"""Members of a group that are compared pair by pair; larger groups go by leaders, so many at a time."""
_CHUNK = 2048
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Representatives:
    """What became of N texts."""

    kept_for: _Ints
    """[N] the kept text that each is dropped for; its own number when it is kept."""
    similarity: NDArray[np.float32]
    """[N] to that text; 1 for kept ones."""


def representatives(store: ShingleStore, groups: _Ints, threshold: float) -> Representatives:
    """From the groups of `near.group_similar`. Memory: 12 bytes a text, and some 24 for each text in a group of
    several."""
    result = Representatives(np.arange(len(groups)), np.ones(len(groups), np.float32))
    sizes = np.bincount(groups, minlength=len(groups))
    members = np.flatnonzero(sizes[groups] > 1)
    members = members[np.argsort(groups[members], kind="stable")]
    small = sizes[groups[members]] <= _SMALL
    _rounds(store, groups, members[small], threshold, result)
    large = members[~small]
    edges = np.flatnonzero(np.diff(groups[large])) + 1
    for group in np.split(large, edges) if len(large) else []:
        _by_leaders(store, group, threshold, result)
    return result


def _rounds(
    store: ShingleStore, groups: _Ints, open_: _Ints, threshold: float, result: Representatives
) -> None:
    """In each round the first open text of every group is kept, and those similar to it are dropped for it."""
    while len(open_):
        first = np.append(True, groups[open_][1:] != groups[open_][:-1])
        leaders = open_[first][np.cumsum(first) - 1]
        leaders, open_ = leaders[~first], open_[~first]
        alike = similarities(store, leaders, open_)
        near = alike >= threshold
        result.kept_for[open_[near]] = leaders[near]
        result.similarity[open_[near]] = alike[near]
        open_ = open_[~near]


def _by_leaders(store: ShingleStore, open_: _Ints, threshold: float, result: Representatives) -> None:
    """One large group: every text's set is made once for some sixty leaders, not once for each."""
    while len(open_):
        some, open_ = open_[:_SMALL], open_[_SMALL:]
        _rounds(store, np.zeros(int(some[-1]) + 1, np.int64), some, threshold, result)
        leaders = some[result.kept_for[some] == some]
        sets = store.sets(leaders)
        left = []
        for start in range(0, len(open_), _CHUNK):
            chunk = open_[start : start + _CHUNK]
            alike = _jaccard_table(sets, store.sets(chunk))
            first = np.argmax(alike >= threshold, axis=1)
            best = alike[np.arange(len(chunk)), first]
            near = best >= threshold
            result.kept_for[chunk[near]] = leaders[first[near]]
            result.similarity[chunk[near]] = best[near]
            left.append(chunk[~near])
        open_ = np.concatenate([open_[:0], *left])


def _jaccard_table(few: Shingles, many: Shingles) -> NDArray[np.float64]:
    """[M, F] the similarity of each of many sets to each of a few."""
    few_sizes, many_sizes = np.diff(few.offsets), np.diff(many.offsets)
    order = np.argsort(few.hashes, kind="stable")
    hashes = few.hashes[order]
    owners = np.repeat(np.arange(len(few_sizes)), few_sizes)[order]
    starts = np.searchsorted(hashes, many.hashes)
    counts = np.searchsorted(hashes, many.hashes, side="right") - starts
    asked = np.repeat(np.arange(len(many_sizes)), many_sizes)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs = np.repeat(asked, counts) * len(few_sizes) + owners[np.repeat(starts, counts) + offsets]
    common = np.bincount(pairs, minlength=len(many_sizes) * len(few_sizes))
    common = common.reshape(len(many_sizes), len(few_sizes))
    return np.asarray(common / np.maximum(1, many_sizes[:, None] + few_sizes - common))
