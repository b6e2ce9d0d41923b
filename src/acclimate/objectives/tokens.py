"""The loss of every objective that asks which token stands at a place.

Legend: T tokens in the row (the decoder's, where there is one), B sequences, M targets, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def token_loss(
    model: PreTrainedModel, hidden: torch.Tensor, batch: PackedBatch, judged: torch.Tensor | None = None
) -> Loss:
    """Cross entropy in nats, fp32, summed over the batch's targets; the vocabulary is scored at targets only.

    hidden [T, H]: the last layer's output. judged [M]: where it is False a target counts for the loss, but not for the
    loss per sequence.
    """
    from acclimate.models.forward import token_losses

    total, each = token_losses(model, hidden.index_select(0, batch.target_positions), batch.targets)
    sums, counts = of_sequences(each, batch, judged)

    def only(keep: torch.Tensor) -> Loss:
        asked = keep[owners(batch)]
        targets = {name: getattr(batch, name)[asked] for name in ("target_positions", "targets")}
        chosen = replace(batch, **targets)
        return token_loss(model, hidden, chosen, None if judged is None else judged[asked])

    return Loss(
        sum=total,
        count=float(len(batch.targets)),
        per_sequence=sums,
        counts=counts,
        only=only,
    )


def token_scores(
    model: PreTrainedModel, hidden: torch.Tensor, batch: PackedBatch
) -> tuple[Loss, torch.Tensor]:
    """(loss, log probabilities [M, V] of the batch's targets), where every one of them is wanted."""
    from acclimate.models.forward import token_logits

    logits = token_logits(model, hidden.index_select(0, batch.target_positions)).float()
    scores = logits.log_softmax(-1)
    each = -scores.gather(1, batch.targets.unsqueeze(1)).squeeze(1)
    return summed(each, owners(batch), len(batch.ids)), scores


def summed(each: torch.Tensor, owner: torch.Tensor, number: int) -> Loss:
    """Of losses [M] of targets, each of the sequence `owner` [M] of so many."""
    return Loss(
        sum=each.sum(),
        count=float(len(each)),
        per_sequence=each.detach().new_zeros(number).index_add_(0, owner, each.detach()),
        counts=owner.bincount(minlength=number),
        only=lambda keep: summed(each[keep[owner]], owner[keep[owner]], number),
    )


def of_sequences(
    each: torch.Tensor, batch: PackedBatch, judged: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(sums [B], numbers [B]) of values [M] of the batch's targets, by the sequence that each target is of; of those
    alone that are judged, where judged [M] is given."""
    import torch

    owner = owners(batch)
    if judged is not None:
        each, owner = each[judged], owner[judged]
    sums = each.new_zeros(len(batch.ids)).index_add_(0, owner, each)
    return sums, torch.bincount(owner, minlength=len(batch.ids))


def owners(batch: PackedBatch) -> torch.Tensor:
    """[M] the sequence that each target is of."""
    import torch

    starts = batch.cu_seqlens if batch.decoder is None else batch.decoder.cu_seqlens
    return torch.searchsorted(starts, batch.target_positions, right=True) - 1
