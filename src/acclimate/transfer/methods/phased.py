"""Training a model by a plan: one phase after another, in each of which other parameters may train."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from acclimate.engine.checkpoint import BestInMemory
from acclimate.engine.feed import Feed
from acclimate.engine.fit import Surroundings, fit
from acclimate.engine.loop import Training
from acclimate.engine.measure import Measured, measure
from acclimate.engine.state import TrainState, carrying, listening
from acclimate.objectives.regulariser import regularised
from acclimate.optim.project_negative import Projector
from acclimate.recipe.units import Length, Progress
from acclimate.transfer.methods.method import Phase, Plan
from acclimate.transfer.tuning import BATCH, Course, Tuned

if TYPE_CHECKING:
    from torch import nn


def hold(model: nn.Module, trained: Collection[str]) -> None:
    """Let these parameters train, and no others."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)


def validated(course: Course) -> Measured:
    """The loss on the validation part of the model as it is."""
    around, lesson = course.around, course.validation
    return measure(
        course.model,
        lesson.objective,
        lesson.store,
        batch=BATCH,
        precision=around.precision,
        device=around.device,
    )


def train_by(plan: Plan, course: Course, optimizer: Any) -> Tuned:
    """Train, validating once an epoch and at the end of each phase; the best weights of all are taken.

    Early stopping ends a phase that is a training of its own, and otherwise the last one alone.
    """
    how, model, around = course.how, course.model, course.around
    hold(model, plan.trained)
    schedule = how.schedule.build(length=how.length)
    state = TrainState(model, optimizer.build(model=model), _transforms(course), listening(schedule))
    if how.average is not None:
        state.average = how.average.build(model=model, length=how.length)
    training = Training(
        objective=around.wrap(regularised(course.train.objective, how.regularise, model)),
        feed=Feed(
            course.train.store,
            batch=how.batch,
            seed=course.seed,
            micro_batch=around.micro_batch,
            describe=around.describe,
        ),
        schedule=schedule,
        length=how.length,
        seed=course.seed,
        precision=around.precision,
        device=around.device,
        reference=around.reference,
    )
    best = BestInMemory()
    for number, phase in enumerate(plan.phases):
        last = number == len(plan.phases) - 1
        hold(model, phase.trained)
        if plan.anew:
            schedule = _begin(state, phase, course, optimizer)
        stage = replace(training, length=phase.until or how.length, schedule=_rated(schedule, phase.rate))
        state.validations_without_gain, state.stopped = 0, False
        ends = plan.anew or last
        surroundings = Surroundings(
            validate=partial(validated, course),
            patience=how.patience if ends else None,
            best=best,
            take_best=ends,
            last=ends,
        )
        for record in fit(stage, state, surroundings):
            around.watch(record, state.progress)
    assert state.best_loss is not None
    return Tuned(state.best_loss, state.progress.steps, state.progress.tokens, state.progress.seconds)


def _transforms(course: Course) -> list[Any]:
    own = [part.build() for part in course.how.gradients]
    return own if course.around.reference is None else [Projector(), *own]


def _begin(state: TrainState, phase: Phase, course: Course, optimizer: Any) -> Callable[[Progress], float]:
    """Make the state that of a new training that goes on with the data; the schedule over the phase alone."""
    start, how = state.progress, course.how
    end = phase.until or how.length
    schedule = how.schedule.build(length=Length(end.amount - end.done(start), end.unit))
    state.optimizer, state.gradients = optimizer.build(model=state.model), _transforms(course)
    state.listeners = [*listening(schedule), *listening(getattr(state.optimizer, "trigger", None))]
    state.carriers = carrying(*state.gradients)
    return lambda progress: schedule(_since(start, progress))


def _since(start: Progress, now: Progress) -> Progress:
    return Progress(*(getattr(now, one.name) - getattr(start, one.name) for one in fields(Progress)))


def _rated(schedule: Callable[[Progress], float], rate: float) -> Callable[[Progress], float]:
    return schedule if rate == 1.0 else lambda progress: rate * schedule(progress)
