"""Groups of near-duplicates: MinHash bands give candidates, the true Jaccard similarity decides, union-find
groups.

Nothing depends on the order in which batches arrive or on their size: texts are numbered in reading order,
and all work goes by number. Of any two texts that share a band, either they are in one group or they are less
similar than the threshold (for buckets of more than 32 texts: the firsts of their groups are, up to 64
different groups a bucket).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.duplicates.minhash import band_hashes, bands_for
from acclimate.corpus.duplicates.shingles import MAX_TEXTS, Shingles, shingle_sets
from acclimate.errors import UserError

_NEIGHBOURS = 32
"""In buckets up to this size all pairs are looked at."""
_LEADERS = 64
_PAIRS = 2048
_LEAST = 0.1


class ShingleStore(Protocol):
    """Where the shingles and band hashes of numbered texts are."""

    def __len__(self) -> int: ...

    def band(self, index: int) -> NDArray[np.uint64]:
        """[N] hashes of one band."""
        ...

    def sizes(self) -> NDArray[np.int64]:
        """[N] number of shingles of each text."""
        ...

    def sets(self, numbers: NDArray[np.int64]) -> Shingles:
        """The shingle sets of these texts, in this order."""
        ...


class Groups:
    """Union-find over numbered texts. Memory: 8 bytes a text. The name of a group is its least number."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.int64)

    def roots(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n] the group of each."""
        roots = self._parent[numbers]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                return roots
            roots = above

    def join(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        """Each pair becomes one group."""
        for first, second in zip(left.tolist(), right.tolist(), strict=True):
            one, other = self._find(first), self._find(second)
            if one != other:
                self._parent[max(one, other)] = min(one, other)

    def _find(self, number: int) -> int:
        parent = self._parent
        root = number
        while parent[root] != root:
            root = int(parent[root])
        while parent[number] != root:
            parent[number], number = root, int(parent[number])
        return root

    def all(self) -> NDArray[np.int64]:
        """[N] the group of every text."""
        return self.roots(np.arange(len(self._parent)))


def checked_threshold(threshold: float) -> float:
    """Raises UserError for a threshold that would make everything a duplicate."""
    if threshold < _LEAST:
        raise UserError(
            f"near: threshold {threshold:g}: too low to mean anything; choose at least {_LEAST:g}"
        )
    return threshold


def near_groups(texts: Sequence[str], threshold: float) -> NDArray[np.int64]:
    """[N] for each text the number of the first text of its group of near-duplicates; its own when it has
    none.

    Near are texts whose sets of shingles overlap by at least `threshold` (Jaccard), directly or over others
    between. Holds the shingles of all texts: 8 bytes for each word (or unspaced character).
    """
    store = _Held(texts, checked_threshold(threshold))
    return group_similar(store, threshold)


def group_similar(store: ShingleStore, threshold: float) -> NDArray[np.int64]:
    """[N] groups of the texts in a store whose bands are `bands_for(threshold)`. Memory: about 50 bytes a
    text."""
    groups = Groups(len(store))
    sizes = store.sizes()
    for index in range(bands_for(threshold).count):
        for left, right in _candidates(store.band(index), sizes > 0, groups):
            small, large = np.sort(np.stack([sizes[left], sizes[right]]), axis=0)
            possible = small >= threshold * large
            left, right = left[possible], right[possible]
            near = similarities(store, left, right) >= threshold
            groups.join(left[near], right[near])
    return groups.all()


def _candidates(
    band: NDArray[np.uint64], filled: NDArray[np.bool_], groups: Groups
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs from one band that are not in one group yet; what the caller joins is heeded from then on."""
    members = np.flatnonzero(filled)
    order = members[np.argsort(band[members], kind="stable")]
    change = np.flatnonzero(band[order][1:] != band[order][:-1]) + 1
    starts = np.concatenate([[0], change])
    ends = np.concatenate([change, [len(order)]])
    sizes = ends - starts
    shared = sizes > 1
    if not len(order) or not shared.any():
        return
    end_of = np.repeat(ends, sizes)
    for distance in range(1, min(int(sizes.max()), _NEIGHBOURS)):
        at = np.flatnonzero(np.arange(len(order)) + distance < end_of)
        yield from _apart(order[at], order[at + distance], groups)
    for start, end in zip(starts[sizes > _NEIGHBOURS], ends[sizes > _NEIGHBOURS], strict=True):
        yield from _with_leaders(order[start:end], groups)


def _with_leaders(
    bucket: NDArray[np.int64], groups: Groups
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """In a large bucket: the first of each group against the firsts of the others."""
    for leader in range(_LEADERS):
        firsts = np.unique(groups.roots(bucket))
        # Earlier leaders were compared with all; joins only take away from the list.
        if leader + 1 >= len(firsts):
            return
        others = firsts[leader + 1 :]
        yield from _apart(np.full(len(others), firsts[leader]), others, groups)


def _apart(
    left: NDArray[np.int64], right: NDArray[np.int64], groups: Groups
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for start in range(0, len(left), _PAIRS):
        one, other = left[start : start + _PAIRS], right[start : start + _PAIRS]
        apart = groups.roots(one) != groups.roots(other)
        if apart.any():
            yield one[apart], other[apart]


def similarities(
    store: ShingleStore, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[P] Jaccard similarity of the shingle sets of each pair."""
    parts = [
        _jaccard(store.sets(left[rows]), store.sets(right[rows])) for rows in _portions(store, left, right)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _portions(store: ShingleStore, left: NDArray[np.int64], right: NDArray[np.int64]) -> Iterator[slice]:
    """Runs of pairs with a bounded number of shingles together (or one pair)."""
    sizes = store.sizes()
    ends = np.cumsum(sizes[left] + sizes[right])
    start = 0
    while start < len(left):
        before = ends[start - 1] if start else 0
        end = int(max(start + 1, np.searchsorted(ends, before + 4_000_000)))
        end = min(end, start + MAX_TEXTS, len(left))
        yield slice(start, end)
        start = end


def _jaccard(left: Shingles, right: Shingles) -> NDArray[np.float64]:
    pairs = len(left.offsets) - 1
    numbers = np.arange(pairs, dtype=np.uint64) << np.uint64(52)
    keys = np.concatenate([np.repeat(numbers, np.diff(side.offsets)) | side.hashes for side in (left, right)])
    keys.sort(kind="stable")
    common = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(52)
    both = np.bincount(common.astype(np.int64), minlength=pairs)
    total = np.diff(left.offsets) + np.diff(right.offsets) - both
    return both / np.maximum(total, 1)


class _Held:
    """A store in memory."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        bands = bands_for(threshold)
        parts = [shingle_sets(texts[start : start + 1024]) for start in range(0, len(texts), 1024)]
        self._bands = np.concatenate(
            [np.zeros((0, bands.count), np.uint64), *(band_hashes(p, bands) for p in parts)]
        )
        self._hashes = np.concatenate([np.zeros(0, np.uint64), *(part.hashes for part in parts)])
        self._sizes = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets) for part in parts)])
        self._ends = np.cumsum(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def band(self, index: int) -> NDArray[np.uint64]:
        return self._bands[:, index]

    def sizes(self) -> NDArray[np.int64]:
        return self._sizes

    def sets(self, numbers: NDArray[np.int64]) -> Shingles:
        return gathered(
            self._hashes[self._ends[number] - self._sizes[number] : self._ends[number]] for number in numbers
        )


def gathered(sets: Iterable[NDArray[np.uint64]]) -> Shingles:
    """Single sets one behind the other."""
    parts = list(sets)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Shingles(np.concatenate([np.zeros(0, dtype=np.uint64), *parts]), offsets)
