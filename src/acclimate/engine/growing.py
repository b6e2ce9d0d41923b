"""Training a model that grows: one stage after another, each as an ordinary training that goes on where the last ended.

A checkpoint holds the layers that there were, and says of which stage it is. The one at the end of a stage is written
before the model grows: who resumes from it grows it again, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from acclimate.engine.fit import Record, Surroundings, fit
from acclimate.engine.loop import StepRecord, Training
from acclimate.engine.state import Carrier, Listener, TrainState, listening
from acclimate.models.growing import Stacks
from acclimate.optim.gradients import GradientTransform
from acclimate.recipe.growth import Phase


@dataclass(frozen=True)
class GrownRecord:
    """A stage begins."""

    step: int
    """The first one of it."""
    phase: int
    """From 1."""
    phases: int
    layers: int
    parameters: int
    """Of the model as it is now."""
    trained: int
    """How many of these train."""


class GrowingState(TrainState):
    """A training's state, in one of its phases."""

    def __init__(
        self,
        model: nn.Module,
        stacks: Stacks,
        phases: Sequence[Phase],
        by: Literal["copy", "zero"],
        optimizer: Callable[[], Optimizer],
        gradients: Callable[[], list[GradientTransform]],
        listeners: list[Listener],
        carriers: list[Carrier],
    ) -> None:
        """Begins in the first phase. `optimizer` and `gradients` make new ones for the model as it is."""
        self.phases, self.number = phases, 0
        self._stacks, self._by = stacks, by
        self._make = optimizer, gradients
        self._always = listeners
        stacks.use(phases[0].layers)
        stacks.train_from(phases[0].first)
        super().__init__(model, optimizer(), gradients(), listeners, carriers)

    @property
    def phase(self) -> Phase:
        return self.phases[self.number]

    @property
    def is_last(self) -> bool:
        return self.number == len(self.phases) - 1

    def grow(self) -> None:
        """Go on to the next phase: more layers, an optimizer that knows nothing, no best loss yet."""
        self._enter(self.number + 1, lambda layers: self._stacks.grow(layers, self._by))
        self.best_loss = self.best_step = None
        self.validations_without_gain = 0

    def grown(self) -> GrownRecord:
        """What there is to tell of the phase that begins."""
        sizes = [(one.numel(), one.requires_grad) for one in self.model.parameters()]
        return GrownRecord(
            step=self.progress.steps + 1,
            phase=self.number + 1,
            phases=len(self.phases),
            layers=self.phase.layers,
            parameters=sum(size for size, _ in sizes),
            trained=sum(size for size, trains in sizes if trains),
        )

    def scalars(self) -> dict[str, Any]:
        return {**super().scalars(), "phase": self.number}

    def load(self, tensors: dict[str, Tensor], scalars: dict[str, Any]) -> None:
        self._enter(scalars["phase"], self._stacks.use)
        super().load(tensors, scalars)

    def _enter(self, number: int, use: Callable[[int], None]) -> None:
        self.number = number
        use(self.phase.layers)
        self._stacks.train_from(self.phase.first)
        optimizer, gradients = self._make
        self.optimizer, self.gradients = optimizer(), gradients()
        self.listeners = [*self._always, *listening(getattr(self.optimizer, "trigger", None))]


def stages(training: Training, state: TrainState) -> Iterator[Training]:
    """The training of each stage that is left; when the next one is asked for, the model has grown. Of a model that
    does not grow, the training itself."""
    if not isinstance(state, GrowingState):
        yield training
        return
    while True:
        phase = state.phase
        yield replace(training, length=phase.until or training.length, schedule=_rated(training, phase.rate))
        if state.is_last:
            return
        state.grow()


def _rated(training: Training, rate: float) -> Any:
    return lambda progress: rate * training.schedule(progress)


def fit_stages(training: Training, state: TrainState, around: Surroundings) -> Iterator[Record | GrownRecord]:
    """`fit`, stage after stage. Only the last one ends early for want of gain: the best models before are not whole."""
    resumed = state.progress.steps > 0
    for stage in stages(training, state):
        if not isinstance(state, GrowingState):
            yield from fit(stage, state, around)
            return
        if not resumed:
            yield state.grown()
        resumed = False
        for record in fit(stage, state, around if state.is_last else replace(around, patience=None)):
            if isinstance(record, StepRecord):
                record.figures["layers"] = state.phase.layers
            yield record
