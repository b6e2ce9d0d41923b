"""Clusters beside classes: how much one says of the other.

Legend: N examples, C classes, K clusters, P pairs of a class and a cluster that occur, R weightings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.classification import SHOWN, cut
from acclimate.evaluate.outcomes import Floats

NOISE = -1
"""The cluster of examples that a method leaves alone; in figures it is a cluster like others."""

_CLASSES = 3
"""Commonest classes of a cluster that are named."""


@dataclass(frozen=True)
class ClusterTally:
    """Weight of each pair of a class and a cluster that occurs, and of each alone."""

    cells: Floats
    """[P, R]"""
    of_class: NDArray[np.int64]
    """[P] which class."""
    of_cluster: NDArray[np.int64]
    """[P] which cluster."""
    classes: Floats
    """[C, R]"""
    clusters: Floats
    """[K, R]"""


class Clusters:
    """labels: [N] true classes. clusters: [N] numbers of clusters, `NOISE` for none."""

    def __init__(self, labels: NDArray[Any], clusters: NDArray[Any]) -> None:
        self.labels, self.clusters = np.asarray(labels), np.asarray(clusters)
        if self.labels.shape != self.clusters.shape or self.labels.ndim != 1 or not self.labels.size:
            raise ValueError(f"labels {self.labels.shape} and clusters {self.clusters.shape} do not fit")
        _, label = np.unique(self.labels, return_inverse=True)
        _, cluster = np.unique(self.clusters, return_inverse=True)
        self._width = int(cluster.max()) + 1
        self._pairs, self._pair = np.unique(label * self._width + cluster, return_inverse=True)

    @property
    def notes(self) -> list[str]:
        found = len(set(self.clusters.tolist()) - {NOISE})
        noise = float((self.clusters == NOISE).mean())
        return [f"{found} clusters"] + ([f"{noise:.1%} of the texts are in none"] if noise else [])

    @property
    def num_examples(self) -> int:
        return len(self.labels)

    def weigh(self, weights: Floats | None = None) -> ClusterTally:
        from scipy.sparse import csr_array

        number = self.num_examples
        if weights is None:
            weights = np.ones((number, 1))
        places = (self._pair, np.arange(number))
        cells = csr_array((np.ones(number), places), shape=(len(self._pairs), number)) @ weights
        of_class, of_cluster = self._pairs // self._width, self._pairs % self._width
        return ClusterTally(cells, of_class, of_cluster, _sums(cells, of_class), _sums(cells, of_cluster))


def _sums(cells: Floats, group: NDArray[np.int64]) -> Floats:
    sums = np.zeros((int(group.max()) + 1, cells.shape[1]))
    np.add.at(sums, group, cells)
    return sums


def _entropy(sums: Floats, total: Floats) -> Floats:
    shares = sums / total
    return -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(axis=0)


def nmi(tally: ClusterTally) -> Floats:
    """Mutual information of classes and clusters over the mean of their entropies; 1 where both are one."""
    total = np.maximum(tally.classes.sum(axis=0), 1e-300)
    both, expected = tally.cells / total, tally.classes[tally.of_class] * tally.clusters[tally.of_cluster]
    ratio = np.where(both > 0, tally.cells * total / np.where(expected > 0, expected, 1), 1)
    shared = np.maximum((both * np.log(ratio)).sum(axis=0), 0)
    mean = (_entropy(tally.classes, total) + _entropy(tally.clusters, total)) / 2
    return np.where(mean > 1e-12, shared / np.where(mean > 1e-12, mean, 1), 1.0)


def ari(tally: ClusterTally) -> Floats:
    """Rand's index, the share of pairs of examples that both sides treat alike, brought to 0 for chance (Hubert and
    Arabie 1985); 1 where both are the same."""
    total = tally.classes.sum(axis=0)
    squares = (tally.cells**2).sum(axis=0)
    in_class, in_cluster = (tally.classes**2).sum(axis=0), (tally.clusters**2).sum(axis=0)
    together, class_only, cluster_only = squares - total, in_class - squares, in_cluster - squares
    apart = total**2 - class_only - cluster_only - squares
    above = 2 * (together * apart - class_only * cluster_only)
    below = (together + class_only) * (class_only + apart) + (together + cluster_only) * (
        cluster_only + apart
    )
    same = (np.abs(class_only) < 1e-9) & (np.abs(cluster_only) < 1e-9)
    return np.where(same, 1.0, above / np.where(same | (below == 0), 1, below))


def details(names: Sequence[str], texts: Sequence[str], outcomes: Clusters) -> dict[str, Any]:
    """What stands in evaluation.json besides the figures: every cluster with its commonest class, and texts.

    names: classes in the order of their ids. texts: [N], as they are to be shown.
    """
    clusters, commonest = [], {}
    for cluster in sorted(set(outcomes.clusters.tolist())):
        inside = outcomes.labels[outcomes.clusters == cluster]
        counts = np.bincount(inside, minlength=len(names))
        commonest[cluster] = int(counts.argmax())
        clusters.append(
            {
                "cluster": "none" if cluster == NOISE else str(cluster),
                "size": len(inside),
                "label": names[commonest[cluster]],
                "share": float(counts.max() / len(inside)),
                "classes": [
                    [names[one], int(counts[one])]
                    for one in np.argsort(-counts, kind="stable")[:_CLASSES]
                    if counts[one]
                ],
            }
        )

    def shown(index: int) -> dict[str, Any]:
        return {
            "text": cut(texts[index]),
            "label": names[outcomes.labels[index]],
            "predicted": names[commonest[int(outcomes.clusters[index])]],
            "cluster": int(outcomes.clusters[index]),
        }

    number = outcomes.num_examples
    some = np.sort(np.random.default_rng(number).choice(number, size=min(number, SHOWN), replace=False))
    said = np.array([commonest[int(cluster)] for cluster in outcomes.clusters])
    wrong = np.flatnonzero(said != outcomes.labels)[:SHOWN]
    return {
        "purity": float((said == outcomes.labels).mean()),
        "clusters": clusters,
        "examples": [shown(index) for index in some.tolist()],
        "worst": [shown(index) for index in wrong.tolist()],
    }
