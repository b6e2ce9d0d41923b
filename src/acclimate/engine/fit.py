"""Training with its surroundings: validation, early stopping, checkpoints, a clean stop when asked.

Order of events after each step of the loop:

    step record → validation if due, or the training is over → best state kept if better
    → checkpoint if due, or over → stop if asked to (the state is saved first)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from acclimate.engine.checkpoint import Checkpoints
from acclimate.engine.interrupt import Interrupted
from acclimate.engine.loop import NonFiniteLoss, StepRecord, Training, train
from acclimate.engine.measure import Measured
from acclimate.engine.state import TrainState
from acclimate.recipe.units import Length, Progress


class Best(Protocol):
    """Where the best state goes."""

    def save_best(self, state: TrainState) -> None: ...
    def restore_best(self, state: TrainState) -> None: ...


@dataclass(frozen=True)
class ValidationRecord:
    """What a look at held-out data gave."""

    step: int
    loss: float
    best: bool
    """Better than all before."""
    measured: Measured


@dataclass(frozen=True)
class CheckpointRecord:
    """The whole state was written."""

    step: int
    path: Path


Record = StepRecord | ValidationRecord | CheckpointRecord
"""What happens in a training, in its order."""


@dataclass(frozen=True)
class Surroundings:
    """When what happens around the loop."""

    validate: Callable[[], Measured] | None = None
    validate_every: Length = Length(1, "epochs")
    patience: int | None = None
    """Validations without a better loss before training stops and the best weights are taken."""
    best: Best | None = None
    """Where the best state is kept; needed by patience and take_best."""
    take_best: bool = False
    """Take the best weights in the end even without patience."""
    checkpoints: Checkpoints | None = None
    checkpoint_every: Length = Length(200, "steps")
    stop: Callable[[], bool] = lambda: False
    last: bool = True
    """Whether nothing follows; else averaged weights are not taken yet."""


def fit(training: Training, state: TrainState, around: Surroundings) -> Iterator[Record]:
    """Train to the end and yield what happens. The model is then the best one, if wanted, else the last."""
    if (around.take_best or around.patience is not None) and (around.validate is None or around.best is None):
        raise ValueError("the best weights need a validation and a place to be kept")
    if state.listeners and around.validate is None:
        raise ValueError("what listens to validations needs some")
    try:
        yield from _steps(training, state, around)
    except NonFiniteLoss as error:
        newest = around.checkpoints.newest() if around.checkpoints else None
        kept = f" Last good checkpoint: {newest}" if newest else " No checkpoint had been written yet."
        raise NonFiniteLoss(str(error) + "." + kept) from error
    wanted = around.take_best or around.patience is not None
    if wanted and around.best is not None and state.best_step is not None:
        around.best.restore_best(state)
    elif around.last:
        state.settle()


def _steps(training: Training, state: TrainState, around: Surroundings) -> Iterator[Record]:
    before = state.progress
    if state.stopped:
        return
    for record in train(training, state):
        over = training.length.reached(state.progress)
        yield record
        if around.validate is not None and (over or _due(around.validate_every, before, state.progress)):
            yield _validate(state, around)
            over = over or state.stopped
        stopping = around.stop()
        due = over or stopping or _due(around.checkpoint_every, before, state.progress)
        if around.checkpoints is not None and due:
            yield CheckpointRecord(state.progress.steps, around.checkpoints.save(state))
        if stopping:  # in the last step too: who resumes finds nothing left to train
            raise Interrupted
        if over:
            return
        before = state.progress


def _validate(state: TrainState, around: Surroundings) -> ValidationRecord:
    assert around.validate is not None
    with state.averaged():
        return _looked(state, around, around.validate())


def _looked(state: TrainState, around: Surroundings, measured: Measured) -> ValidationRecord:
    if not math.isfinite(measured.loss):
        raise NonFiniteLoss(
            f"step {state.progress.steps}: the loss on the validation data is {measured.loss}"
        )
    for listener in state.listeners:
        listener.observe(measured.loss)
    better = state.best_loss is None or measured.loss < state.best_loss
    if better:
        state.best_loss, state.best_step, state.validations_without_gain = (
            measured.loss,
            state.progress.steps,
            0,
        )
        if around.best is not None:
            around.best.save_best(state)
    else:
        state.validations_without_gain += 1
        out_of_patience = around.patience is not None and state.validations_without_gain >= around.patience
        state.stopped = state.stopped or out_of_patience
    return ValidationRecord(state.progress.steps, measured.loss, better, measured)


def _due(every: Length, before: Progress, now: Progress) -> bool:
    """Whether a multiple of the distance was crossed."""
    return every.done(now) // every.amount > every.done(before) // every.amount
