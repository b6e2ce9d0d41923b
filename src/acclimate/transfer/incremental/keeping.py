"""Ways to keep what was learnt from earlier periods while the next one is learnt, as a recipe names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Batch, Length, Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.incremental.periods import Past
    from acclimate.transfer.tuning import Lesson


class Keeping(Component):
    """One way. It says what is learnt from, in which courses, and what is done to the objective."""

    goes_alone: ClassVar[bool] = False
    """Whether it takes the task's own loss apart: no regulariser that compares probabilities (R-Drop) goes with it, and
    no way of transfer that trains by another loss first."""
    foresees: ClassVar[bool] = False
    """Whether what is delivered answers for the period after the last one, and not for the last."""
    projects: ClassVar[bool] = False
    """Whether gradients are projected, for which they must stand whole after the passes."""

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        """The trainings of a period, one after another: (what is learnt from, the new examples first; by which the
        learning rate is multiplied)."""
        return [([new], 1.0)]

    def build(self, *, past: Past) -> Callable[[Any], Any]:
        """What is done to the objective that is trained on. Asked before anything of the period has trained: what the
        model knows then is what is to be kept."""
        return lambda objective: objective

    def remembered(self, old: Sequence[Examples], seed: int) -> list[Examples]:
        """Old examples whose loss is not to rise: to first order, no step raises it."""
        return []

    def begin(self, model: PreTrainedModel) -> None:
        """Change a model that has learnt no period yet."""

    def dated(self, lesson: Lesson, examples: Examples) -> Lesson:
        """The lesson on these examples, each of which tells its `period` (from 0)."""
        return lesson

    def face(self, model: PreTrainedModel, period: int) -> None:
        """Have the model answer for this period from now on."""

    def settle(self, model: PreTrainedModel) -> None:
        """Make of the model, which answers for its last period, what is delivered."""


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

    def build(self, *, past: Past) -> Callable[[Any], Any]:
        from acclimate.transfer.incremental.anchors import Elastic

        fisher, anchor = past.fisher(self.examples), past.anchor()
        return lambda objective: Elastic(objective, fisher, anchor, strength=self.strength)


class Lwf(Keeping):
    """Learning without forgetting: + weight · T²·KL(p_old‖p) on the new examples, p over the classes known before, at
    temperature T; p_old is what the model said before it learnt the period. With `multi_label` the mean over the labels
    known before, p of each over no and yes.

    Source: Li and Hoiem 2016. Needs no old example. It helps as far as new texts look like old ones.
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "lwf")
    bare: ClassVar[str | None] = "weight"
    goes_alone: ClassVar[bool] = True

    weight: float = Field(default=1.0, gt=0)
    """How much it counts beside the task's own loss."""
    temperature: float = Field(default=2.0, gt=0)
    """T: the authors' 2."""

    def build(self, *, past: Past) -> Callable[[Any], Any]:
        from acclimate.transfer.incremental.anchors import Distilled

        before, known = past.model(), list(past.known)
        return lambda objective: Distilled(
            objective, before, known, weight=self.weight, temperature=self.temperature
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
    alpha: float = Field(default=0.001, ge=0)
    """α: how far it looks, a rate of plain gradient descent. Looking farther, .01 on a small model, it learnt to be
    right after the look, by the labels in it, and not before."""

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        from acclimate.transfer.incremental.periods import drawn

        return [([new, *drawn(old, self.share, len(new), seed)], 1.0)]

    def build(self, *, past: Past) -> Callable[[Any], Any]:
        from acclimate.transfer.incremental.ahead import LookingAhead

        number = past.number_of_new
        return lambda objective: LookingAhead(objective, alpha=self.alpha, number_of_new=number)


class AGem(Keeping):
    """The next period alone is learnt, but where its gradient g points against the gradient r of remembered old
    examples, that part is taken out of it: g − (g·r/‖r‖²)·r. To first order no step raises the loss on the memory.

    Source: Chaudhry et al. 2019, "Efficient Lifelong Learning with A-GEM". No old example is learnt from, so it forgets
    more than `replay` of as many and costs as much: a second pass each step, over `batch` of the memory.
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "a_gem")
    bare: ClassVar[str | None] = "memory"
    projects: ClassVar[bool] = True

    memory: int = Field(default=256, ge=1)
    """How many old examples are remembered, of each earlier period as many as of any other."""
    batch: Batch = Length.parse("64 sequences")
    """How much of the memory the gradient of a step is made of, in tokens or sequences."""

    def remembered(self, old: Sequence[Examples], seed: int) -> list[Examples]:
        from acclimate.transfer.incremental.periods import some_of

        return [some_of(one, -(-self.memory // len(old)), seed) for one in old]


class Prospective(Keeping):
    """The next period is foreseen: the head is told the time, h_t(z) = (W + Σ φ_k(t)·V_k)·z + b + Σ φ_k(t)·c_k with φ
    the sin and cos of 2πt/P, and is learnt from all periods, each at its own time t = 0, 1, …

    Source: De Silva et al. 2024, "Prospective Learning: Learning for a Dynamic Future", empirical risk over past times
    with time as an input. For what comes and goes in known cycles, such as seasons: a learner that ignores time learns
    their mean, one that follows is late. It tells times apart only where more periods than 1 + 2·(number of cycles)
    features were seen; else, and where nothing turns, it is `joint` with more to fit. At one time the head is an
    ordinary layer: what is delivered is the model of the coming period, and figures of each test are of its own.
    """

    registered_as: ClassVar[tuple[str, str]] = ("keeping", "prospective")
    bare: ClassVar[str | None] = "cycles"
    foresees: ClassVar[bool] = True

    cycles: list[float] = Field(default=[2.0], min_length=1)
    """P: after how many periods things come round: a number, or several where they do so in several ways, as by days
    `[7, 365.25]`."""

    @field_validator("cycles", mode="before", json_schema_input_type=float | list[float])
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else value

    @field_validator("cycles")
    @classmethod
    def _seen(cls, value: list[float]) -> list[float]:
        for one in value:
            if not 2 <= one < float("inf"):
                words = "expected 2 periods or more: what turns faster cannot be told by a look a period"
                raise ValueError(f"{words}, found {one:g}")
        return value

    def courses(
        self, old: Sequence[Examples], new: Examples, seed: int
    ) -> list[tuple[list[Examples], float]]:
        return [([new, *old], 1.0)]

    def begin(self, model: PreTrainedModel) -> None:
        from acclimate.transfer.incremental.timed import put_time_in

        put_time_in(model, self.cycles)

    def dated(self, lesson: Lesson, examples: Examples) -> Lesson:
        from dataclasses import replace

        import numpy as np

        from acclimate.transfer.incremental.timed import InTime

        times = np.array([one["period"] for one in examples.more], dtype=np.int64)
        if lesson.owners is not None:
            times = times[lesson.owners]
        return replace(lesson, objective=InTime(lesson.objective, times))

    def face(self, model: PreTrainedModel, period: int) -> None:
        from acclimate.transfer.incremental.timed import timed_heads

        for one in timed_heads(model):
            one.now = period

    def settle(self, model: PreTrainedModel) -> None:
        from acclimate.transfer.incremental.timed import take_time_out, timed_heads

        take_time_out(model, timed_heads(model)[0].now + 1)
