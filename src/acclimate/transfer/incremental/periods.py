"""Periods learnt one after another by one model, and how it does on the tests of all of them in between.

Legend: P periods, the task's own examples being the last one; N examples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.batching.part_store import PartStore
from acclimate.engine.feed import Feed
from acclimate.recipe.units import Length, Progress
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.incremental.keeping import Nothing
from acclimate.transfer.methods.method import chain
from acclimate.transfer.tuning import Around, Tuned, tune

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.transfer.task import Answers, Task
    from acclimate.transfer.tuning import Lesson


@dataclass(frozen=True)
class Period:
    """The examples of one time."""

    train: Examples
    validation: Examples
    test: Examples


def joined(parts: Sequence[Examples]) -> Examples:
    """The examples of all parts, one after another; classes are the same ones in all of them."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Examples(
        [one for part in parts for one in part.ids],
        [one for part in parts for one in part.texts],
        None if first.pairs is None else [one for part in parts for one in part.pairs or []],
        np.concatenate([part.labels for part in parts]),
        [one for part in parts for one in part.more],
    )


def drawn(old: Sequence[Examples], share: float, number: int, seed: int) -> list[Examples]:
    """So many of the old examples that they are this share beside `number` new ones; all where there are no more."""
    pool = joined(old)
    wanted = round(share * number / (1 - share)) if share < 1 else len(pool)
    chosen = np.sort(np.random.default_rng([seed, 7]).permutation(len(pool))[:wanted])
    return [_only(pool, chosen)] if len(chosen) else []


def some_of(examples: Examples, number: int, seed: int) -> Examples:
    """So many of them, or all where there are no more."""
    return _only(examples, np.sort(np.random.default_rng([seed, 8]).permutation(len(examples))[:number]))


def _only(examples: Examples, chosen: Any) -> Examples:
    def of(values: Sequence[Any]) -> list[Any]:
        return [values[one] for one in chosen.tolist()]

    pairs = None if examples.pairs is None else of(examples.pairs)
    more = of(examples.more) if len(examples.more) else []
    return Examples(of(examples.ids), of(examples.texts), pairs, examples.labels[chosen], more)


@dataclass
class Past:
    """What a model knows before it learns the next period."""

    now: PreTrainedModel
    """The model itself, which goes on to change."""
    lessons: list[Lesson]
    """Of each earlier period."""
    known: list[int]
    """Ids of the classes of earlier periods."""
    number_of_new: int
    """Sequences of the next period; they come first among those that are learnt from."""
    _fisher: dict[str, Tensor] = field(default_factory=dict)
    _measured: int = 0
    """Periods that are in the Fisher information."""
    _own: frozenset[str] = field(init=False)
    """Names of the model's parameters: what else stands in it while it is tuned is no part of what it knows."""

    def __post_init__(self) -> None:
        self._own = frozenset(name for name, _ in self.now.named_parameters())

    def fisher(self, number: int) -> dict[str, Tensor]:
        """Of the last period at the weights of now, added to those of the periods before it."""
        from acclimate.transfer.incremental.anchors import fisher_information

        if self._measured < len(self.lessons):
            found = fisher_information(self.now, self.lessons[-1], number)
            self._fisher = {
                name: one + self._fisher[name] if name in self._fisher else one
                for name, one in found.items()
                if name in self._own
            }
            self._measured = len(self.lessons)
        return dict(self._fisher)

    def anchor(self) -> dict[str, Tensor]:
        """The weights of now."""
        return {name: one.detach().clone() for name, one in self.now.named_parameters()}

    def model(self) -> PreTrainedModel:
        """The model as it is now."""
        return copy.deepcopy(self.now).eval().requires_grad_(False)


@dataclass(frozen=True)
class Learnt:
    """What learning all periods gave."""

    tuned: Tuned
    """Of the last training."""
    truncated: int
    """Examples of it that lost tokens to the sequence length."""
    answers: dict[tuple[int, int], Answers]
    """(after which period, on the test of which one) → what the model said, of the next period too; empty where there
    is one period alone."""


def learn(
    how: Any, at_work: Task, model: PreTrainedModel, periods: Sequence[Period], *, seed: int, around: Around
) -> Learnt:
    """Tune the model to one period after another, keeping the past as `how.keep` says; it is changed in place."""
    keep: Any = Nothing() if how.keep is None else how.keep
    if len(periods) > 1:
        how = _begun(how, model, seed)
    keep.begin(model)
    periods = [_dated(one, number) for number, one in enumerate(periods)]
    answers: dict[tuple[int, int], Answers] = {}
    past = Past(model, [], [], 0)
    tuned: Tuned | None = None
    truncated = 0
    for number, period in enumerate(periods):
        own = at_work.lesson(period.train, period.train)
        past.number_of_new = len(own.store.lengths)
        courses, wrap = [([period.train], 1.0)], around.wrap
        remembered: list[Examples] = []
        if number:
            old = [one.train for one in periods[:number]]
            courses, remembered = keep.courses(old, period.train, seed), keep.remembered(old, seed)
            if any(one.trains_all_first for one in chain(how.transfer)):
                model.requires_grad_(True)  # what is kept is measured of all that is going to move
            wrap = keep.build(past=past)
        for parts, rate in courses:
            learnt = joined([*parts, *remembered])
            train = own if learnt is period.train else at_work.lesson(learnt, learnt)
            reference = None
            if remembered:
                train, rest = _apart(train, len(own.store.lengths))
                reference = Feed(rest, batch=keep.batch, seed=seed, micro_batch=around.micro_batch)
            here = replace(
                around,
                describe=_naming(learnt, train),
                facts=_knowing(learnt, train),
                wrap=wrap,
                reference=reference,
            )
            watched = [period.validation]
            if len(parts) > 1:  # who learns from the past again is judged by it, too
                watched += [one.validation for one in periods[:number]]
            held_out = joined(watched)
            validation = keep.dated(at_work.lesson(held_out, learnt), held_out)
            train = keep.dated(train, learnt)
            tuned = tune(_slower(how, rate), model, train, validation, seed=seed + 1000 * number, around=here)
            truncated = getattr((own if remembered else train).store, "num_truncated", 0)
        past.lessons.append(own)
        past.known = sorted({*past.known, *_classes(period.train)})
        for at, one in enumerate(periods[: number + 2] if len(periods) > 1 else []):
            keep.face(model, at)
            answers[number, at] = at_work.answers(
                model, one.test, precision=around.precision, device=around.device
            )
    assert tuned is not None
    keep.face(model, len(periods) - 1)
    return Learnt(tuned, truncated, answers)


def _begun(how: Any, model: PreTrainedModel, seed: int) -> Any:
    """The settings for each period, after what their way of transfer does once."""
    rest = how.transfer.begin(model, seed)
    return how if rest is how.transfer else how.model_copy(update={"transfer": rest})


def _dated(period: Period, number: int) -> Period:
    """The period, each of whose examples tells that it is the one of this number."""

    def told(examples: Examples) -> Examples:
        more = examples.more or [{}] * len(examples)
        return replace(examples, more=[{**one, "period": number} for one in more])

    return Period(told(period.train), told(period.validation), told(period.test))


def _apart(lesson: Lesson, number: int) -> tuple[Lesson, PartStore]:
    """The lesson on its first sequences, and the other ones."""
    store = lesson.store
    return replace(lesson, store=PartStore(store, 0, number)), PartStore(store, number, len(store.lengths))


def _naming(examples: Examples, lesson: Lesson) -> Callable[[int], str]:
    owners = lesson.owners
    return lambda number: examples.ids[number if owners is None else int(owners[number])]


def _knowing(examples: Examples, lesson: Lesson) -> Callable[[int], Mapping[str, Any]]:
    owners = lesson.owners
    return lambda number: examples.more[number if owners is None else int(owners[number])]


def _classes(examples: Examples) -> set[int]:
    labels = examples.labels
    return set(
        np.flatnonzero(labels.any(axis=0)).tolist() if labels.ndim == 2 else np.unique(labels).tolist()
    )


def _slower(how: Any, rate: float) -> Any:
    return how if rate == 1.0 else how.model_copy(update={"schedule": _Slower(how.schedule, rate)})


@dataclass(frozen=True)
class _Slower:
    """A schedule at a part of its rate."""

    schedule: Any
    rate: float

    def build(self, *, length: Length) -> Callable[[Progress], float]:
        inner = self.schedule.build(length=length)
        return lambda progress: self.rate * inner(progress)
