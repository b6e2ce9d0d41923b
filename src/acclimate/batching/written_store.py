"""Sources, each with what is to be written to it, tokenized and in memory.

Legend: N sources, B sources asked for, T tokens in their row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences

Ids = NDArray[np.int64]


class WrittenStore:
    """Each source with a target is one sequence: the source in segment 0, the target in segment 1.

    Of several targets of a source an epoch asks for one, and the next epoch for the next; held-out sources are asked
    for their first.
    """

    def __init__(
        self, sources: Sequence[Ids], targets: Sequence[Sequence[Ids]], num_truncated: int = 0
    ) -> None:
        """sources [N], targets [N] one or more of each, both with their special tokens."""
        self.sources, self._targets = sources, targets
        self.num_truncated = num_truncated
        """How many sources lost tokens, or a target of theirs did."""
        self.lengths: NDArray[np.int64] = np.array(
            [len(source) + max(map(len, several)) for source, several in zip(sources, targets, strict=True)],
            np.int64,
        )
        """[N] with the longest target of each."""

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The sources [B] in one row, each with the target that is its turn."""
        parts: list[Ids] = []
        for one, epoch in zip(ids.tolist(), epochs.tolist(), strict=True):
            several = self._targets[one]
            parts += [self.sources[one], several[epoch % len(several)]]
        sizes = np.array([len(part) for part in parts], np.int64)
        segments = np.repeat(np.tile([0, 1], len(ids)), sizes)
        cu_seqlens = np.concatenate([[0], np.cumsum(sizes)[1::2]]).astype(np.int64)
        return Sequences(np.concatenate(parts), cu_seqlens, segments, ids, epochs)
