"""Metrics of clusters, as a recipe names them. Larger is better in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure


class Nmi(Component):
    """Normalised mutual information of clusters and classes: 0 says nothing, 1 where one tells the other.

    Many small clusters raise it by chance; see `ari`, which is 0 for chance.
    """

    registered_as: ClassVar[tuple[str, str]] = ("metric", "nmi")

    def build(self) -> Measure:
        from acclimate.evaluate.clusters import nmi
        from acclimate.evaluate.measures import Measure

        return Measure("nmi", "NMI", nmi, centred=True)


class Ari(Component):
    """Adjusted Rand index of clusters and classes: which pairs of texts are together; 0 is chance, 1 the same."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "ari")

    def build(self) -> Measure:
        from acclimate.evaluate.clusters import ari
        from acclimate.evaluate.measures import Measure

        return Measure("ari", "ARI", ari, centred=True)
