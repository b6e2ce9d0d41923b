"""Label smoothing: a true class that is not all of the truth.

Legend: N examples, K classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor


class _Smoothing(Component):
    bare: ClassVar[str | None] = "share"

    share: Share = 0.1
    """ε: how much of the truth is spread (10% in the papers)."""

    @field_validator("share")
    @classmethod
    def _proper(cls, value: float) -> float:
        if not 0 < value < 1:
            raise ValueError(f"expected more than 0% and less than 100%, found {value:.0%}")
        return value


class Uniform(_Smoothing):
    """The target is (1 − ε)·y + ε/K on each of K classes, the true one too (Szegedy et al. 2016); torch's own form.

    It keeps scores from growing without bound, and probabilities nearer to how often they are right; figures of
    held-out data are without it. A model that is to teach others should not be smoothed (Müller et al. 2019).
    """

    registered_as: ClassVar[tuple[str, str]] = ("smoothing", "uniform")

    def build(self, *, num_classes: int) -> float:
        """ε of the uniform form."""
        return self.share


class Complement(_Smoothing):
    """The target is 1 − ε on the true class and ε/(K − 1) on each of the others (fairseq's and the "not y" form).

    The same as `uniform` with ε·K/(K − 1): the two are told apart because their ε are.
    """

    registered_as: ClassVar[tuple[str, str]] = ("smoothing", "complement")

    def build(self, *, num_classes: int) -> float:
        """ε of the uniform form; at most 1, where all of the truth would be spread."""
        return min(1.0, self.share * num_classes / (num_classes - 1)) if num_classes > 1 else 0.0


def smoothed_answers(targets: Tensor, share: float) -> Tensor:
    """Of yes or no questions, targets [N, K] of 0 and 1: each answer with ε/2 on the other one (two classes)."""
    return targets * (1 - share) + share / 2
