"""Classifying whole sequences: one of several classes (cross entropy), or any number of labels (binary cross entropy).

Legend: N examples in the store, B sequences in the batch, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.label_smoothing import smoothed_answers
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def balanced_weights(labels: NDArray[Any], num_classes: int) -> NDArray[np.float64]:
    """Weights under which every class weighs the same: N / (C n_c) for n_c examples of class c (King and Zeng 2001).

    labels: [N] class ids → [C]. Or [N, C] of 0 and 1 → [2, C]: each label is a question of its own with two answers,
    no (row 0) and yes (row 1). An answer without examples weighs 0.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2:
        yes = labels.sum(axis=0)
        counts = np.stack([len(labels) - yes, yes]).astype(np.float64)
        answers = 2
    else:
        counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
        answers = num_classes
    return np.divide(len(labels), answers * counts, out=np.zeros_like(counts), where=counts > 0)


class SequenceClassification:
    """The objective of a classification task.

    One class: the sum over sequences of w_y · −log p_y, count = sum of w_y, so that the quotient is torch's
    `cross_entropy(weight=w)`. Several labels: the sum over sequences and labels of w · binary cross entropy, count =
    the sum of weights: B·C without weights, as `binary_cross_entropy_with_logits` has it. Adding up sums and counts
    over micro-batches and dividing once gives the loss of the whole batch exactly.

    labels: [N] class ids, or [N, C] of 0 and 1 for several labels; row i belongs to sequence i of the store.
    class_weights: as `balanced_weights` gives them; none: all 1. smoothing: ε of uniform label smoothing.
    Raises ValueError when labels, number of classes and weights do not fit together.
    """

    num_terms = 1

    def __init__(
        self,
        labels: NDArray[Any],
        *,
        num_classes: int,
        multi_label: bool = False,
        class_weights: NDArray[Any] | None = None,
        smoothing: float = 0.0,
    ) -> None:
        labels = np.asarray(labels)
        if labels.ndim != 1 + multi_label or (multi_label and labels.shape[1] != num_classes):
            raise ValueError(
                f"labels of shape {labels.shape} do not fit {num_classes} classes, {multi_label=}"
            )
        if not multi_label and len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
            raise ValueError(
                f"class ids from {labels.min()} to {labels.max()} do not fit {num_classes} classes"
            )
        self._labels = labels.astype(np.float32 if multi_label else np.int64)
        self._multi_label = multi_label
        self._smoothing = smoothing
        self._weights: NDArray[np.float32] | None = None
        if class_weights is not None:
            expected = (2, num_classes) if multi_label else (num_classes,)
            if np.shape(class_weights) != expected:
                raise ValueError(f"class weights of shape {np.shape(class_weights)}, expected {expected}")
            self._weights = np.asarray(class_weights, dtype=np.float32)

    @property
    def classes_of(self) -> NDArray[Any] | None:
        """[N] the class of each sequence; None where it may have several."""
        return None if self._multi_label else self._labels

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Nothing is hidden; the first token of each sequence bears its target."""
        return pack(
            sequences,
            target_positions=np.ascontiguousarray(sequences.cu_seqlens[:-1]),
            targets=np.ascontiguousarray(self._labels[sequences.ids]),
        )

    def _target_weights(self, targets: torch.Tensor) -> torch.Tensor:
        """Of each target: [B], or [B, C] with several labels."""
        import torch

        if self._weights is None:
            return torch.ones(targets.shape, dtype=torch.float32, device=targets.device)
        weights = torch.from_numpy(self._weights).to(targets.device)
        if self._multi_label:
            return torch.where(targets > 0, weights[1], weights[0])
        return weights[targets]

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Sum of the targets' weights."""
        return (float(self._target_weights(batch.targets).double().sum()),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The weighted sum over the batch."""
        from acclimate.models.forward import class_logits

        return self._loss(class_logits(model, batch), batch)

    def scored(self, model: PreTrainedModel, batch: PackedBatch) -> tuple[Loss, torch.Tensor]:
        """(loss, log probabilities [B, C]; with several labels [B·C, 2] of no and yes)."""
        import torch
        from torch.nn.functional import logsigmoid

        from acclimate.models.forward import class_logits

        logits = class_logits(model, batch)
        if self._multi_label:
            scores = torch.stack([logsigmoid(-logits), logsigmoid(logits)], dim=-1).flatten(0, 1)
        else:
            scores = logits.log_softmax(-1)
        return self._loss(logits, batch), scores

    def _loss(self, logits: torch.Tensor, batch: PackedBatch) -> Loss:
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        weights = self._target_weights(batch.targets)
        if self._multi_label:
            answers = smoothed_answers(batch.targets, self._smoothing) if self._smoothing else batch.targets
            losses = binary_cross_entropy_with_logits(logits, answers, weights, reduction="none").sum(dim=1)
            counts = weights.double().sum(dim=1)
        else:
            each = cross_entropy(logits, batch.targets, reduction="none", label_smoothing=self._smoothing)
            losses = each * weights
            counts = weights
        return summed(losses, counts)


def summed(losses: torch.Tensor, counts: torch.Tensor) -> Loss:
    """Of losses [B] of examples that count so much [B]."""
    return Loss(
        sum=losses.sum(),
        count=float(counts.double().sum()),
        per_sequence=losses.detach(),
        counts=counts,
        only=lambda keep: summed(losses[keep], counts[keep]),
    )
