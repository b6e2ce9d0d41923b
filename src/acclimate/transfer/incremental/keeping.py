"""Ways to keep what was learnt from earlier periods while the next one is learnt, as a recipe names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.incremental.periods import Past


class Keeping(Component):
    """One way. It says what is learnt from, in which courses, and what is done to the objective."""

    goes_alone: ClassVar[bool] = False
    """Whether it does not go with a regulariser that compares probabilities (R-Drop)."""

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        """The trainings of a period, one after another: (what is learnt from, the new examples first; by which the
        learning rate is multiplied)."""
        return [([new], 1.0)]

    def build(self, *, objective: Any, past: Past) -> Any:
        """The objective that is trained on."""
        return objective


class Nothing(Keeping):
    """The next period alone is learnt: what every other way is compared with. Fast, and the one that forgets most."""

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "nothing")


class Joint(Keeping):
    """Everything is learnt anew: old ∪ new, from the model as it is. The upper bound, at the cost of all the data."""

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "joint")

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        return [([new, *old], 1.0)]


class JointThenNew(Keeping):
    """First old ∪ new, then the new ones alone at a smaller rate: both are known, and the last word is today's."""

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "joint_then_new")
    bare: ClassVar[str | None] = "rate"

    rate: float = Field(default=0.2, gt=0, le=1)
    """What the learning rate of the second training is multiplied by."""

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        return [([new, *old], 1.0), ([new], self.rate)]


class Replay(Keeping):
    """The new examples with some old ones among them, drawn once (Ratcliff 1990; Robins 1995).

    1% to 5% suffice where old and new are alike, a quarter where they differ much; with a re-warmed and re-decayed
    rate, which every period has here, that comes near to `joint` (Ibrahim et al. 2024, of language models).
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "replay")
    bare: ClassVar[str | None] = "share"

    share: Share = 0.1
    """How much of what is learnt from is old; 0% is `nothing`."""

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        from acclimate.transfer.incremental.periods import drawn

        return [([new, *drawn(old, self.share, len(new), seed)], 1.0)]


class Ewc(Keeping):
    """Elastic weight consolidation: + (λ/2)·Σ F·(θ − θ*)² with θ* the weights after the last period and F the diagonal
    of the Fisher information there, of the old examples, added up over periods.

    Source: Kirkpatrick et al. 2017; one sum for all periods as Schwarz et al. 2018. No old example is learnt from
    again, but F needs them once; F and θ* are two copies of the weights. F of rows for new classes is near 0: they
    move freely.
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "ewc")
    bare: ClassVar[str | None] = "strength"

    strength: float = Field(default=1000.0, gt=0)
    """λ: the authors take values from hundreds to thousands; F is small where the model is sure."""
    examples: int = Field(default=256, ge=1)
    """Of how many old examples F is measured, one at a time."""

    def build(self, *, objective: Any, past: Past) -> Any:
        from acclimate.transfer.incremental.anchors import Elastic

        return Elastic(objective, past.fisher(self.examples), past.anchor(), strength=self.strength)


class Lwf(Keeping):
    """Learning without forgetting: + weight · T²·KL(p_old‖p) on the new examples, p over the classes known before, at
    temperature T; p_old is what the model said before it learnt the period.

    Source: Li and Hoiem 2016. Needs no old example. It helps as far as new texts look like old ones.
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "lwf")
    bare: ClassVar[str | None] = "weight"
    goes_alone: ClassVar[bool] = True

    weight: float = Field(default=1.0, gt=0)
    """How much it counts beside the task's own loss."""
    temperature: float = Field(default=2.0, gt=0)
    """T: the authors' 2."""

    def build(self, *, objective: Any, past: Past) -> Any:
        from acclimate.transfer.incremental.anchors import Distilled

        return Distilled(
            objective, past.model(), past.known, weight=self.weight, temperature=self.temperature
        )


class Lookahead(Keeping):
    """First-order look-ahead: θ' = θ − α·∇L_new(θ); θ moves by the gradient of L_(new ∪ replay) at θ'.

    Source: La-MAML (Gupta et al. 2020), without its learnt rates: the step is judged by what it does to old examples.
    α = 0 is `replay`. A step costs two passes.
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "lookahead")
    goes_alone: ClassVar[bool] = True
    bare: ClassVar[str | None] = "share"

    share: Share = 0.1
    """How much of what is learnt from is old, as in `replay`."""
    alpha: float = Field(default=0.01, ge=0)
    """α: how far it looks, a rate of plain gradient descent."""

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        from acclimate.transfer.incremental.periods import drawn

        return [([new, *drawn(old, self.share, len(new), seed)], 1.0)]

    def build(self, *, objective: Any, past: Past) -> Any:
        from acclimate.transfer.incremental.ahead import LookingAhead

        return LookingAhead(objective, alpha=self.alpha, number_of_new=past.number_of_new)
