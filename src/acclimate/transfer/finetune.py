"""Fine-tuning one model to one task, and its scores on the held-out examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from acclimate.batching.sampler import sequential
from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.checkpoint import BestInMemory
from acclimate.engine.feed import Feed
from acclimate.engine.fit import Record, Surroundings, fit
from acclimate.engine.loop import Training
from acclimate.engine.measure import Measured, measure
from acclimate.engine.precision import Precision
from acclimate.engine.state import TrainState, listening
from acclimate.models.inference import Inference
from acclimate.objectives.classify import SequenceClassification
from acclimate.recipe.units import Length, Progress
from acclimate.transfer.classification import Classification
from acclimate.transfer.examples import Examples

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BATCH = Length(8192, "tokens")
"""How much is evaluated at once."""


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning gave; the model itself was changed in place."""

    validation_loss: float
    validation_scores: NDArray[np.float32]
    """[N, C] logits."""
    test_scores: NDArray[np.float32]
    """[N, C] logits."""
    steps: int
    tokens: int
    seconds: float
    num_truncated: int
    """Training examples longer than the sequence length, cut to it."""


@dataclass(frozen=True)
class Splits:
    """The task's examples."""

    train: Examples
    validation: Examples
    test: Examples


def finetune(
    task: Classification,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    splits: Splits,
    *,
    num_classes: int,
    seed: int,
    precision: Precision,
    device: torch.device,
    micro_batch: Length | None = None,
    watch: Callable[[Record, Progress], None] = lambda record, progress: None,
) -> Tuned:
    """Train the model on the task, validating once an epoch; the best epoch's weights are taken.

    A fine-tuning is short: an interrupted one is done again from its start, to the same bits.
    """
    stores = {
        name: ExampleStore.from_texts(part.texts, part.pairs, tokenizer, task.sequence_length)
        for name, part in vars(splits).items()
    }
    weights = task.weights(splits.train.labels, num_classes)
    train, validation = (
        SequenceClassification(
            part.labels, num_classes=num_classes, multi_label=task.multi_label, class_weights=weights
        )
        for part in (splits.train, splits.validation)
    )
    model.to(device)  # type: ignore[arg-type]
    trained = set(task.transfer.build(model=model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    schedule = task.schedule.build(length=task.length)
    gradients = [part.build() for part in task.gradients]
    state = TrainState(model, task.optimizer.build(model=model), gradients, listening(schedule))
    training = Training(
        objective=train,
        feed=Feed(
            stores["train"],
            batch=task.batch,
            seed=seed,
            micro_batch=micro_batch,
            describe=lambda number: splits.train.ids[number],
        ),
        schedule=schedule,
        length=task.length,
        seed=seed,
        precision=precision,
        device=device,
    )

    def validate() -> Measured:
        store = stores["validation"]
        return measure(model, validation, store, batch=BATCH, precision=precision, device=device)

    around = Surroundings(validate=validate, patience=task.patience, best=BestInMemory(), take_best=True)
    for record in fit(training, state, around):
        watch(record, state.progress)
    assert state.best_loss is not None
    return Tuned(
        validation_loss=state.best_loss,
        validation_scores=scores(model, stores["validation"], num_classes, precision, device),
        test_scores=scores(model, stores["test"], num_classes, precision, device),
        steps=state.progress.steps,
        tokens=state.progress.tokens,
        seconds=state.progress.seconds,
        num_truncated=stores["train"].num_truncated,
    )


def scores(
    model: PreTrainedModel, store: ExampleStore, num_classes: int, precision: Precision, device: torch.device
) -> NDArray[np.float32]:
    """Class logits [N, C] of every example, in the store's order; examples of similar length are run together."""
    from acclimate.batching.packed import pack

    inference = Inference(model, precision)
    out = np.empty((len(store.lengths), num_classes), dtype=np.float32)
    nothing = np.zeros(0, dtype=np.int64)
    for ids in sequential(store.lengths, BATCH, by_length=True):
        batch = pack(store.fetch(ids, np.zeros_like(ids)), target_positions=nothing, targets=nothing)
        out[ids] = inference.class_logits(batch.to(device)).cpu().numpy()
    return out
