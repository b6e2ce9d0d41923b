"""Forward and backward over a step's micro-batches, and what some gradient transforms do there.

Most transforms look at finished gradients. Four act earlier, and are known by what they have: `keeps` (which sequences
count, by their losses), `learn` (wants the gradient of reference texts), `at_work` (uses gradients up as they come),
`reconcile` (wants each task's gradient by itself).
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from acclimate.batching.packed import PackedBatch
from acclimate.batching.sampler import Position
from acclimate.engine.precision import compute_in
from acclimate.errors import UserError
from acclimate.kernels.row_gradients import collected
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from acclimate.engine.loop import Training
    from acclimate.engine.state import TrainState
    from acclimate.optim.gradients import Gradients, GradientTransform
    from acclimate.optim.layer_hooks import LayerHooks
    from acclimate.optim.mask_loss import LossMasker
    from acclimate.optim.project_conflicts import Reconciler
    from acclimate.optim.project_negative import Projector


@dataclass
class Passed:
    """What the passes of one step gave; gradients stand in the model."""

    loss: float = 0.0
    """Mean over the targets that count; over all if none does."""
    parts: dict[str, float] = field(default_factory=dict)
    factor: float = 1.0
    """What gradients are still to be multiplied by."""
    empty: bool = False
    """No sequence counts: there is no step to take."""


class Backward:
    """The passes of every step of a training."""

    def __init__(self, training: Training, state: TrainState) -> None:
        self._training, self._state = training, state
        self._masker: LossMasker | None = _only_one(state, "keeps")
        self._projector: Projector | None = _only_one(state, "learn")
        self._hooks: LayerHooks | None = _only_one(state, "at_work")
        self._reconciler: Reconciler | None = _only_one(state, "reconcile")
        self.fused = self._hooks is not None and self._hooks.fused
        """Whether the optimizer steps in the backward pass."""
        if self._masker is not None and training.objective.num_terms > 1:
            raise UserError(
                "gradients.mask_loss: the objective's loss has several terms; it takes those of one"
            )
        if self._projector is not None and training.reference is None:
            raise ValueError("a gradient is to be projected onto that of a reference, and there is none")

    @property
    def afterwards(self) -> list[GradientTransform]:
        """The transforms that look at finished gradients."""
        return [one for one in self._state.gradients if not self.fused or one is self._hooks]

    def norm(self, gradients: Gradients) -> float:
        """Of all gradients of the step, those too that a fused step used up."""
        return self._hooks.norm if self._hooks is not None and self.fused else gradients.norm()

    def run(self, batches: list[PackedBatch], totals: list[float], scale: float) -> Passed:
        """The passes over this rank's micro-batches. `totals`: the step's targets, of each term of the loss; `scale`:
        what the loss is multiplied by on its way back."""
        if self.fused and len(batches) > 1:
            raise UserError(
                f"gradients.accumulate_by_layer: a fused step takes a batch at once, found {len(batches)} micro-batches"
            )
        self._refer()
        passed, kept, whole = Passed(), 0.0, 0.0
        if self._masker is not None:
            self._masker.begin()
        with self._by_layer():
            for batch in batches:
                with compute_in(self._training.precision, self._training.device):
                    part = self._forward(batch)
                if self._masker is not None:
                    whole += float(part.sum.detach()) / totals[0]
                    chosen = self._chosen(part, self._masker)
                    if chosen is None:
                        continue
                    part, kept = chosen, kept + chosen.count
                if self._reconciler is not None:
                    passed.loss += self._apart(part, totals, scale, passed.parts, self._reconciler)
                    continue
                value = weighted(part, totals, passed.parts)
                passed.loss += float(value.detach())
                if self.fused and not math.isfinite(passed.loss):
                    return passed  # before a weight has moved
                self._back(value * scale if scale != 1.0 else value)
        if self._reconciler is not None:
            self._reconciler.reconcile(self._state.model.named_parameters())
        if self._masker is not None:
            figures = self._masker.end()
            passed.empty = not kept
            passed.factor = totals[0] / kept if kept else 1.0
            passed.loss = passed.loss * passed.factor if kept else whole
            passed.parts = {name: one * passed.factor for name, one in passed.parts.items()} | figures
        return passed

    def _forward(self, batch: PackedBatch) -> Loss:
        return self._training.objective.loss(self._state.model, batch.to(self._training.device))  # type: ignore[arg-type]

    def _back(self, value: torch.Tensor, *, again: bool = False) -> None:
        """`again`: whether the same passes are gone back through once more."""
        with collected():
            value.backward(retain_graph=again)  # type: ignore[no-untyped-call]

    def _apart(
        self,
        loss: Loss,
        totals: list[float],
        scale: float,
        parts: dict[str, float],
        reconciler: Reconciler,
    ) -> float:
        """Go back through each task's terms by themselves; returns the value of all."""
        owners = getattr(self._training.objective, "owners", (0,) * len(totals))
        tasks, value = list(dict.fromkeys(owners)), 0.0
        for task in tasks:
            own = [total if owner == task else 0.0 for owner, total in zip(owners, totals, strict=True)]
            one = weighted(loss, own, parts)
            value += float(one.detach())
            if one.requires_grad:
                self._back(one * scale if scale != 1.0 else one, again=task != tasks[-1])
                reconciler.take(task, self._state.model.named_parameters())
        return value

    def _by_layer(self) -> AbstractContextManager[Any]:
        if self._hooks is None:
            return nullcontext()
        others = [one for one in self._state.gradients if one is not self._hooks]
        return self._hooks.at_work(self._state.model, self._state.optimizer, others)

    def _chosen(self, loss: Loss, masker: LossMasker) -> Loss | None:
        """The loss of the sequences that count; None if there are none."""
        if loss.only is None or loss.per_sequence is None or loss.counts is None:
            raise UserError("gradients.mask_loss: the objective gives no loss for each sequence by itself")
        keep = masker.keeps(loss.per_sequence, loss.counts)
        if bool(keep.all()):
            return loss
        if not bool(keep.any()):
            return None
        with compute_in(self._training.precision, self._training.device):
            return loss.only(keep)

    def _refer(self) -> None:
        """Give the projector the gradient of the next reference texts, if it is due."""
        projector, reference = self._projector, self._training.reference
        if projector is None or reference is None or not projector.due:
            return
        position = Position(**projector.position) if projector.position else Position()
        helping = reference.take(position)
        batches = [self._training.objective.prepare(sequences) for sequences in helping.micro_batches]
        counts = [self._training.objective.count(batch) for batch in batches]
        totals = [sum(one) for one in zip(*counts, strict=True)]
        for batch in batches:
            with compute_in(self._training.precision, self._training.device):
                part = self._forward(batch)
            self._back(weighted(part, totals, {}))
        projector.learn(self._state.model.named_parameters())
        projector.position = asdict(helping.following)
        self._state.optimizer.zero_grad(set_to_none=True)


def _only_one(state: TrainState, what: str) -> Any:
    """The transform that has this, if there is one; recipes with two are refused."""
    return next((one for one in state.gradients if hasattr(one, what)), None)


def weighted(loss: Loss, totals: list[float], parts: dict[str, float]) -> torch.Tensor:
    """The sum over a loss's terms of weight · sum / total. What is told of each term is added to `parts`."""
    value = torch.zeros((), device=loss.sum.device)
    for term, total in zip(loss.terms, totals, strict=True):
        if not total:
            continue
        value = value + term.sum * (term.weight / total)
        told = dict(term.parts)
        if loss.others:
            told[f"loss_{term.name}"] = float(term.sum.detach())
        for name, figure in told.items():
            parts[name] = parts.get(name, 0.0) + figure / total
    return value
