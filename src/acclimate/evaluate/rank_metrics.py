"""Metrics of ranked candidates, as a recipe names them. Larger is better in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure


class Mrr(Component):
    """Mean reciprocal rank: the mean over questions of 1 / rank of the best right candidate. Ties count as lost."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "mrr")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.ranking import mrr

        return Measure("mrr", "MRR", mrr)


class RecallAt(Component):
    """Recall@k: the mean over questions of the share of right candidates that stand among the first k."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "recall_at")
    bare: ClassVar[str | None] = "k"

    k: int = Field(default=1, ge=1)
    """How many candidates are looked at."""

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure
        from acclimate.evaluate.ranking import recall_at

        return Measure(f"recall_at_{self.k}", f"recall@{self.k}", lambda tally: recall_at(tally, self.k))
