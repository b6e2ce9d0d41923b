"""Metrics of numbers, as a recipe names them. Larger is better in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure


class Pearson(Component):
    """Pearson's correlation of the numbers given with the true ones: 1 where they lie on a rising line."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "pearson")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.numbers import pearson

        return Measure("pearson", "Pearson's correlation", pearson)


class Spearman(Component):
    """Spearman's correlation of ranks: 1 where the numbers given put the examples into the true order."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "spearman")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.numbers import spearman

        return Measure("spearman", "Spearman's correlation", spearman)


class R2(Component):
    """Share of the numbers' variance that is explained: 1 is perfect, 0 what always giving the mean reaches."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "r2")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.numbers import r2

        return Measure("r2", "R²", r2)
