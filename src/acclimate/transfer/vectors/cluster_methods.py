"""Ways to find clusters among vectors, through scikit-learn.

Legend: N texts, D dimensions of a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Finder = Callable[[NDArray[np.float32]], NDArray[np.int64]]


class KMeans(Component):
    """k-means (Lloyd 1982) with k-means++ starts: as many round clusters as asked for, each text in one."""

    registered_as: ClassVar[tuple[str, str]] = ("cluster", "kmeans")
    bare: ClassVar[str | None] = "clusters"

    clusters: int | None = Field(default=None, ge=2)
    """How many; as many as there are classes unless given."""
    starts: int = Field(default=10, ge=1)
    """How many random starts there are, of which the best is taken."""

    def build(self, *, classes: int, seed: int) -> Finder:
        """[N, D] → [N] numbers of clusters."""

        def find(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
            from sklearn.cluster import KMeans as Sklearn

            number = min(self.clusters or classes, len(vectors))
            return _labels(Sklearn(number, n_init=self.starts, random_state=seed % 2**32), vectors)

        return find


class Hdbscan(Component):
    """HDBSCAN (Campello et al. 2013): clusters are dense places, as many as there are; texts between them are in none.

    In many dimensions all is far from all, and most texts end up in none.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cluster", "hdbscan")
    bare: ClassVar[str | None] = "least"

    least: int = Field(default=10, ge=2)
    """The fewest texts that make a cluster."""
    neighbours: int | None = Field(default=None, ge=1)
    """How many texts near one make its place dense; `least` unless given. Fewer leave fewer texts in none."""

    def build(self, *, classes: int, seed: int) -> Finder:
        """[N, D] → [N] numbers of clusters, −1 for none."""

        def find(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
            from sklearn.cluster import HDBSCAN

            least = min(self.least, len(vectors))
            neighbours = min(self.neighbours or least, len(vectors))
            return _labels(HDBSCAN(min_cluster_size=least, min_samples=neighbours, copy=True), vectors)

        return find


def _labels(method: Any, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    import numpy as np

    return np.asarray(method.fit_predict(np.asarray(vectors, dtype=np.float64)), dtype=np.int64)
