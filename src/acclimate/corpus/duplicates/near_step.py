"""Near-duplicates as steps over the pool: dropping them, and keeping them on one side of the split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.duplicates.minhash import Bands, bands_for, near_features
from acclimate.corpus.duplicates.near import checked_threshold, group_similar
from acclimate.corpus.duplicates.representatives import representatives
from acclimate.corpus.duplicates.shingles import WORDS, Shingles, Shingling, shingle_sets
from acclimate.corpus.pool import Pool
from acclimate.progress import Tell

_TOLD = 512


class _NearStep:
    """Workers note the band hashes of each text and the size of its set; the sets of candidates are made once more
    from their texts. Memory: about 50 bytes a document."""

    def __init__(self, name: str, threshold: float, shingling: Shingling) -> None:
        self.name = name
        self._threshold = checked_threshold(threshold)
        self._shingling = shingling
        self._bands = bands_for(threshold)
        self.width = self._bands.count + 1

    def describe(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        """[D, width] a hash for each band, and the number of shingles."""
        return near_features(texts, self._shingling, self._bands)

    def _store(self, pool: Pool) -> _Store:
        return _Store(pool, self.name, self._bands, self._shingling)


class NearDuplicates(_NearStep):
    """Drops each document whose set of shingles overlaps with that of an earlier one, which is kept, by at least
    `threshold` (Jaccard)."""

    def __init__(self, threshold: float, shingling: Shingling = WORDS) -> None:
        super().__init__("near", threshold, shingling)

    def __call__(self, pool: Pool, tell: Tell) -> None:
        store = self._store(pool)
        kept = representatives(store, group_similar(store, self._threshold), self._threshold)
        dropped = np.flatnonzero(kept.kept_for != np.arange(len(pool)))
        for done, number in enumerate(dropped.tolist(), 1):
            first = pool.document(int(kept.kept_for[number]))
            detail = f"nearly equals {first.place}, which was read before (similarity {kept.similarity[number]:.2f})"
            pool.drop(number, "near_duplicate", detail)
            if done % _TOLD == 0:
                tell(done, len(dropped), "near-duplicates")


class SplitTogether(_NearStep):
    """Puts documents that are near to each other, directly or over others between, on one side of the split: that of
    the first one read. More documents behind the old ones move none of these, unless they join two groups."""

    def __init__(self, threshold: float, shingling: Shingling = WORDS) -> None:
        super().__init__("split", threshold, shingling)

    def __call__(self, pool: Pool, tell: Tell) -> dict[str, int]:
        groups = group_similar(self._store(pool), self._threshold)
        moved = np.flatnonzero(groups != np.arange(len(groups)))
        pool.keys[moved] = pool.keys[groups[moved]]
        tell(len(pool), len(pool), "documents")
        return {"documents_with_an_earlier_one": len(moved)}


class _Store:
    """The shingle store of a pool."""

    def __init__(self, pool: Pool, name: str, bands: Bands, shingling: Shingling) -> None:
        self._pool = pool
        self._name = name
        self._shingling = shingling
        self._sizes = pool.feature(name, bands.count).astype(np.int64)
        # A text without shingles is near to none.
        self._sizes[~pool.alive] = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def band(self, index: int) -> NDArray[np.uint64]:
        return self._pool.feature(self._name, index)

    def sizes(self) -> NDArray[np.int64]:
        return self._sizes

    def sets(self, numbers: NDArray[np.int64]) -> Shingles:
        return shingle_sets(self._pool.texts(numbers), self._shingling)
