"""The loss on held-out sequences, kept per sequence so that intervals can be drawn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from acclimate.batching.sampler import sequential
from acclimate.batching.sequence_store import SequenceStore
from acclimate.engine.precision import Precision, compute_in
from acclimate.errors import UserError
from acclimate.models.quick_modules import quicken
from acclimate.objectives.protocol import Objective
from acclimate.progress import Tell, silent
from acclimate.recipe.units import Length


@dataclass(frozen=True)
class Measured:
    """Summed loss and number of targets of each sequence."""

    ids: NDArray[np.int64]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @property
    def loss(self) -> float:
        """Mean over all targets."""
        return float(self.sums.sum() / self.counts.sum())


@torch.inference_mode()
def measure(
    model: torch.nn.Module,
    objective: Objective,
    store: SequenceStore,
    *,
    batch: Length,
    precision: Precision = "fp32",
    device: torch.device | None = None,
    most: Length | None = None,
    tell: Tell = silent,
) -> Measured:
    """The objective's loss over the store's sequences in order; with `most`, over its first part only.

    The objective should hide the same things every time (validation uses fixed masks), so that values compare.
    """
    device = device or torch.device("cpu")
    model.eval()
    quicken(model)
    lengths = _first_part(store.lengths, most)
    if not len(lengths):
        raise UserError(
            "there is no held-out text to measure on: make `split.validation` larger or give more text"
        )
    ids, sums, counts = [], [], []
    done = 0
    for chosen in sequential(lengths, batch, by_length=True):
        sequences = store.fetch(chosen, np.zeros(len(chosen), dtype=np.int64))
        with compute_in(precision, device):
            loss = objective.loss(model, objective.prepare(sequences).to(device))  # type: ignore[arg-type]
        if loss.per_sequence is None or loss.counts is None:
            raise ValueError(f"{type(objective).__name__} gives no loss per sequence")
        ids.append(chosen)
        sums.append(loss.per_sequence.double().cpu().numpy())
        counts.append(loss.counts.double().cpu().numpy())
        done += len(chosen)
        tell(done, len(lengths), "sequences")
    order = np.argsort(np.concatenate(ids), kind="stable")
    return Measured(np.concatenate(ids)[order], np.concatenate(sums)[order], np.concatenate(counts)[order])


def _first_part(lengths: NDArray[np.int64], most: Length | None) -> NDArray[np.int64]:
    if most is None:
        return lengths
    if most.unit == "tokens":
        return lengths[: max(1, int(np.searchsorted(np.cumsum(lengths), most.amount, side="right")))]
    if most.unit == "sequences":
        return lengths[: int(most.amount)]
    raise ValueError(f"how much held-out text to use is said in tokens or sequences, not {most}")
