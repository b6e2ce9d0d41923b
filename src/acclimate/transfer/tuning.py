"""Tuning a model to a task, whatever the task and the way of transfer; the best weights by validation are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

from acclimate.batching.sequence_store import SequenceStore
from acclimate.engine.feed import Feed
from acclimate.engine.fit import Record
from acclimate.engine.precision import Precision
from acclimate.objectives.protocol import Objective
from acclimate.recipe.units import Length, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

BATCH = Length(8192, "tokens")
"""How much is evaluated at once."""


class Tuning(Protocol):
    """How a model is tuned: settings that every task has."""

    transfer: Any
    optimizer: Any
    schedule: Any
    gradients: Any
    regularise: Any
    average: Any
    length: Length
    batch: Length
    patience: int | None


@dataclass(frozen=True)
class Lesson:
    """Sequences, and what is asked about them."""

    objective: Objective
    store: SequenceStore
    owners: NDArray[np.int64] | None = None
    """[N] the example that each sequence is of, where one may make several."""


@dataclass(frozen=True)
class Around:
    """Where a training runs and who looks on."""

    precision: Precision = "fp32"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    micro_batch: Length | None = None
    describe: Callable[[int], str] = str
    """Names a training sequence in messages."""
    facts: Callable[[int], Mapping[str, Any]] = lambda number: {}
    """What else is known of a training sequence's example (`Row.more`)."""
    watch: Callable[[Record, Progress], None] = lambda record, progress: None
    wrap: Callable[[Any], Any] = lambda objective: objective
    """What is done to the objective that is trained on, after the regularisers."""
    reference: Feed | None = None
    """Sequences of the objective that is trained on whose loss no step is to raise, to first order."""


@dataclass(frozen=True)
class Tuned:
    """What a training gave; the model itself was changed in place."""

    validation_loss: float
    steps: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Course:
    """One model's tuning to one task: what a way of transfer is handed."""

    how: Tuning
    model: PreTrainedModel
    train: Lesson
    validation: Lesson
    seed: int
    around: Around = field(default_factory=Around)


def tune(
    how: Tuning,
    model: PreTrainedModel,
    train: Lesson,
    validation: Lesson,
    *,
    seed: int,
    around: Around | None = None,
) -> Tuned:
    """Tune the model in place by the way of transfer that the settings name.

    Such a training is short: an interrupted one is done again from its start, to the same bits.
    """
    around = around or Around()
    model.to(around.device)  # type: ignore[arg-type]
    course = Course(how, model, train, validation, seed, around)
    tuned: Tuned = how.transfer.conduct(course)
    return tuned
