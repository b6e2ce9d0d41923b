"""What an initialiser of new rows gives, and the plainest form of it: each new row a combination of old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.adapt.plan import Adaptation

Rows = NDArray[np.float32]


class NewRows(Protocol):
    """Makes the rows of new tokens from the old rows; the same rule for embedding, output layer and its bias."""

    def rows(self, old: Rows) -> Rows:
        """[V, D] → [N, D], in the order of `Adaptation.new`; a bias has D = 1."""
        ...


@dataclass(frozen=True)
class Combination:
    """Row n is the sum of old rows by `weights[n]`, which are positive and add up to one: a convex combination."""

    weights: Any
    """Sparse [N, V]."""

    def rows(self, old: Rows) -> Rows:
        return np.asarray(self.weights @ old.astype(np.float64), dtype=np.float32)


def combination(columns: list[list[int]], weights: list[list[float]], size: int) -> Combination:
    """From the old ids and weights of each new token; weights are made to add up to one."""
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0, *map(len, columns)])
    shares = [np.asarray(one, np.float64) / np.sum(one) for one in weights]
    flat = np.concatenate(shares) if shares else np.empty(0)
    ids = np.concatenate([np.asarray(one, np.int64) for one in columns]) if columns else np.empty(0, np.int64)
    matrix = csr_matrix((flat, ids, ends), shape=(len(columns), size))
    matrix.sum_duplicates()
    return Combination(matrix)


def mean_of_pieces(adaptation: Adaptation) -> Combination:
    """Each new token the mean of the old ones that stood for it."""
    columns = [token.pieces for token in adaptation.new]
    return combination(columns, [[1.0] * len(one) for one in columns], adaptation.old_size)
