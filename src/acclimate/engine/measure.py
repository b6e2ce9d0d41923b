"""The loss on held-out sequences, kept per sequence so that intervals can be drawn from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """Summed loss and number of targets of each sequence; of a loss of several terms those of the leading one."""

    ids: NDArray[np.int64]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    weight: float = 1.0
    """Of the leading term."""
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of each further term its name, mean and weight."""

    @classmethod
    def of_means(cls, means: Mapping[str, float]) -> Measured:
        """Of several questions, each with its mean; all weigh the same."""
        first, *others = means.items()
        share = 1 / len(means)
        more = {name: (mean, share) for name, mean in others}
        return cls(np.zeros(1, np.int64), np.array([first[1]]), np.ones(1), share, more)

    @property
    def leading(self) -> float:
        """Mean of the leading term over all its targets; 0 without any."""
        return float(self.sums.sum() / self.counts.sum()) if self.counts.sum() else 0.0

    @property
    def loss(self) -> float:
        """Mean over all targets; of several terms the weighted sum of their means."""
        return self.weight * self.leading + sum(value * weight for value, weight in self.others.values())


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
    further: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    weight = 1.0
    done = 0
    in_order = hasattr(store, "sampler")
    for chosen in sequential(lengths, batch, by_length=not in_order):
        sequences = store.fetch(chosen, np.zeros(len(chosen), dtype=np.int64))
        with compute_in(precision, device):
            loss = objective.loss(model, objective.prepare(sequences).to(device))  # type: ignore[arg-type]
        if loss.per_sequence is None or loss.counts is None:
            raise ValueError(f"{type(objective).__name__} gives no loss per sequence")
        ids.append(chosen)
        sums.append(loss.per_sequence.double().cpu().numpy())
        counts.append(loss.counts.double().cpu().numpy())
        weight = loss.weight
        for term in loss.others:
            one = further[term.name]
            one[:] = one[0] + float(term.sum), one[1] + term.count, term.weight
        done += len(chosen)
        tell(done, len(lengths), "sequences")
    order = np.argsort(np.concatenate(ids), kind="stable")
    return Measured(
        np.concatenate(ids)[order],
        np.concatenate(sums)[order],
        np.concatenate(counts)[order],
        weight,
        {name: (total / count if count else 0.0, by) for name, (total, count, by) in further.items()},
    )


def _first_part(lengths: NDArray[np.int64], most: Length | None) -> NDArray[np.int64]:
    if most is None:
        return lengths
    if most.unit == "tokens":
        return lengths[: max(1, int(np.searchsorted(np.cumsum(lengths), most.amount, side="right")))]
    if most.unit == "sequences":
        return lengths[: int(most.amount)]
    raise ValueError(f"how much held-out text to use is said in tokens or sequences, not {most}")
