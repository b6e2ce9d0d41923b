"""Metrics of answers found in passages, as a recipe names them. Larger is better in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from acclimate.evaluate.measures import Measure


class ExactMatch(Component):
    """Share of questions whose answer equals one of the true ones, as SQuAD or CMRC compares them."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "exact_match")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure

        return Measure("exact_match", "exact match", lambda sums: sums[0] / sums[2])


class AnswerF1(Component):
    """Mean over questions of F1 with the nearest true answer: of words (SQuAD), or of the longest common run (CMRC)."""

    registered_as: ClassVar[tuple[str, str]] = ("metric", "answer_f1")

    def build(self) -> Measure:
        from acclimate.evaluate.measures import Measure

        return Measure("answer_f1", "answer F1", lambda sums: sums[1] / sums[2])
