"""How weights move when a model is tuned to a task: what every transfer method is.

A method may change the model before training (`build`: layers drawn anew, adapters put in), says which parameters train
in which part of the length (its phases), and may change the model once more in the end (adapters merged). One that
needs more than a training in phases conducts it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component, Part
from acclimate.recipe.units import Length

if TYPE_CHECKING:
    from torch import nn

    from acclimate.transfer.tuning import Course, Tuned


@dataclass(frozen=True)
class Phase:
    """What trains for a stretch of the training."""

    trained: frozenset[str]
    """Names of the parameters; all others hold still."""
    until: Length | None = None
    """Where it ends, measured from the start of the training; None: where the training ends."""
    rate: float = 1.0
    """What the learning rate is multiplied by."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Plan:
    """The phases of one training, and its end."""

    phases: tuple[Phase, ...]
    anew: bool = False
    """Whether each phase is a training of its own, with its own optimizer and schedule, that begins with the best
    weights so far; else one optimizer and one schedule go through all of them."""
    end: Callable[[], None] = _nothing
    """What is done to the model afterwards."""

    @classmethod
    def of(cls, *trained: Collection[str]) -> Plan:
        """One phase, in which these train."""
        return cls((Phase(frozenset().union(*trained)),))

    @property
    def trained(self) -> frozenset[str]:
        """What trains at some time."""
        return frozenset().union(*(phase.trained for phase in self.phases))

    def before(self, end: Callable[[], None]) -> Plan:
        """The same plan, with something more done afterwards."""

        def both() -> None:
            self.end()
            end()

        return replace(self, end=both)


class Method(Component):
    """A choice of transfer in a recipe."""

    kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds of model (`models/kinds.py`) whose tasks it goes with; none named: all."""
    regularises: ClassVar[bool] = True
    """Whether the task's loss, and what is done to it, is what trains."""
    by_gradient: ClassVar[bool] = True
    """Whether it trains by gradients at all."""
    trains_all_first: ClassVar[bool] = False
    """Whether, before what follows, all weights train by the task's own optimizer."""
    reads_rows: ClassVar[bool] = False
    """Whether each sequence of a batch must be the model's own row, and of one example (`TaskSettings.one_row`)."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Installed packages besides torch and transformers whose version decides what comes out."""

    if TYPE_CHECKING:

        def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
            """Prepares the model in place; the plan of its training. Raises UserError where the method does not fit
            the model or the length."""
            ...

    def refuses(self, family: Any) -> str | None:
        """Why it does not go with models of this family; None: it does."""
        return None

    def named(self) -> Sequence[int | str]:
        """Layers by number, and patterns of names, that the settings ask for."""
        return ()

    def require_blocks(self, number: int) -> None:
        """Raises UserError where a setting names a block that a model with so many does not have."""

    def require_length(self, number: int, length: Length) -> None:
        """Raises UserError where the length leaves no room for what is done to a model with so many blocks."""

    def optimizer_of(self, given: Any) -> Any:
        """The optimizer's settings, as this method wants them."""
        return given

    def earlier_task(self) -> str | None:
        """The task of the recipe whose models are started from."""
        return None

    def own_text(self) -> Any:
        """What is said of a pretraining on the task's own texts (`tapt`); None where there is none."""
        return None

    def furnish(self, model: Any, source: Path) -> None:
        """Give a model that was loaded from the folder what stands in the place of its own head."""

    def begin(self, model: nn.Module, seed: int) -> Method:
        """Do to a model, in place, what is done once before several periods; what is left for each of them."""
        return self

    def conduct(self, course: Course) -> Tuned:
        """Tune the model of the course in place."""
        from acclimate.transfer.methods.phased import train_by

        plan = self.build(model=course.model, length=course.how.length, seed=course.seed)
        tuned = train_by(plan, course, self.optimizer_of(course.how.optimizer))
        plan.end()
        return tuned


class Prelude(Method):
    """A method that does something first, and leaves the tuning to another."""

    then: Annotated[Component, Part("transfer")] = Field(default="full")  # type: ignore[assignment]
    """How the model is tuned afterwards: another way of transfer."""

    @property
    def following(self) -> Method:
        assert isinstance(self.then, Method)
        return self.then

    def prepare(self, model: nn.Module, seed: int) -> None:
        """Change the model in place."""

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        """The model prepared, and the plan of what follows."""
        self.prepare(model, seed)
        return self.following.build(model=model, length=length, seed=seed)

    def refuses(self, family: Any) -> str | None:
        return self.following.refuses(family)

    def named(self) -> Sequence[int | str]:
        return self.following.named()

    def require_blocks(self, number: int) -> None:
        self.following.require_blocks(number)

    def require_length(self, number: int, length: Length) -> None:
        self.following.require_length(number, length)

    def optimizer_of(self, given: Any) -> Any:
        return self.following.optimizer_of(given)

    def earlier_task(self) -> str | None:
        return self.following.earlier_task()

    def own_text(self) -> Any:
        return self.following.own_text()

    def furnish(self, model: Any, source: Path) -> None:
        self.following.furnish(model, source)

    def begin(self, model: nn.Module, seed: int) -> Method:
        rest = self.following.begin(model, seed)
        return self if rest is self.then else self.model_copy(update={"then": rest})

    def conduct(self, course: Course) -> Tuned:
        self.prepare(course.model, course.seed)
        return self.following.conduct(course)


def chain(method: Any) -> list[Any]:
    """A method and those that follow it."""
    return [method, *chain(method.then)] if isinstance(method, Prelude) else [method]
