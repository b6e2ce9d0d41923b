"""Tuning one model to label words, and its labels for held-out texts.

Legend: N words with a label, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from acclimate.batching.sampler import sequential
from acclimate.batching.sequence_store import SequenceStore
from acclimate.engine.checkpoint import BestInMemory
from acclimate.engine.feed import Feed
from acclimate.engine.fit import Surroundings, fit
from acclimate.engine.loop import Training
from acclimate.engine.measure import Measured, measure
from acclimate.engine.precision import Precision, compute_in
from acclimate.engine.state import TrainState, listening
from acclimate.models.quick_modules import quicken
from acclimate.objectives.token_labels import TokenLabels
from acclimate.recipe.units import Length

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

BATCH = Length(8192, "tokens")
"""How much is evaluated at once."""


class Tuning(Protocol):
    """How it is trained: the settings that tasks of a recipe have, too."""

    optimizer: Any
    schedule: Any
    gradients: Any
    length: Length
    batch: Length
    patience: int | None


@dataclass(frozen=True)
class TunedTokens:
    """What tuning gave; the model itself was changed in place."""

    validation_loss: float
    predictions: list[NDArray[np.int64]]
    """Of each test sequence, the class of each of its words."""
    steps: int
    seconds: float


def tune_tokens(
    how: Tuning,
    model: PreTrainedModel,
    train: SequenceStore,
    validation: SequenceStore,
    test: SequenceStore,
    *,
    num_classes: int,
    seed: int,
    precision: Precision = "fp32",
    device: torch.device | None = None,
) -> TunedTokens:
    """Train on stores whose tokens have `tags` (−1 where no word starts), validating once an epoch; the best epoch's
    weights are taken."""
    device = device or torch.device("cpu")
    model.to(device)  # type: ignore[arg-type]
    objective = TokenLabels(num_classes)
    schedule = how.schedule.build(length=how.length)
    gradients = [part.build() for part in how.gradients]
    state = TrainState(model, how.optimizer.build(model=model), gradients, listening(schedule))
    training = Training(
        objective=objective,
        feed=Feed(train, batch=how.batch, seed=seed),
        schedule=schedule,
        length=how.length,
        seed=seed,
        precision=precision,
        device=device,
    )

    def validate() -> Measured:
        return measure(model, objective, validation, batch=BATCH, precision=precision, device=device)

    around = Surroundings(validate=validate, patience=how.patience, best=BestInMemory(), take_best=True)
    for _ in fit(training, state, around):
        pass
    assert state.best_loss is not None
    return TunedTokens(
        validation_loss=state.best_loss,
        predictions=labelled(model, test, precision, device),
        steps=state.progress.steps,
        seconds=state.progress.seconds,
    )


@torch.inference_mode()
def labelled(
    model: PreTrainedModel, store: SequenceStore, precision: Precision, device: torch.device
) -> list[NDArray[np.int64]]:
    """The class of each word of every sequence, in the store's order."""
    from acclimate.models.forward import encode, token_class_logits

    model.eval()
    quicken(model)
    found: dict[int, NDArray[np.int64]] = {}
    objective = TokenLabels(int(model.config.num_labels))
    for ids in sequential(store.lengths, BATCH, by_length=True):
        batch = objective.prepare(store.fetch(ids, np.zeros_like(ids))).to(device)
        with compute_in(precision, device):
            hidden = encode(model, batch).index_select(0, batch.target_positions)
            classes = token_class_logits(model, hidden).argmax(-1).cpu().numpy()
        starts, places = batch.cu_seqlens.cpu().numpy(), batch.target_positions.cpu().numpy()
        owner = np.searchsorted(starts, places, side="right") - 1
        for number, id in enumerate(ids.tolist()):
            found[id] = classes[owner == number]
    return [found[id] for id in range(len(store.lengths))]
