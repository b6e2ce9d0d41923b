"""Finding an answer in a passage: its first and its last token.

Legend: T tokens in the row, B sequences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class AnswerSpans:
    """The objective of extractive question answering: half the sum of two cross entropies, over the sequence's tokens.

    Input: sequences with `start` and `end` [B], the places in them of the answer's first and last token, or where a
    window does not hold it, twice that of the token that stands for no answer. Requires a model of the kind spans.
    Source: Devlin et al. 2019, section 4.2.
    """

    num_terms = 1

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Nothing is hidden."""
        nothing = np.zeros(0, np.int64)
        return pack(sequences, target_positions=nothing, targets=nothing)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of sequences."""
        return (float(len(batch.ids)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over sequences."""
        import torch

        from acclimate.models.forward import encode, span_logits

        logits = span_logits(model, encode(model, batch))
        begins = batch.cu_seqlens[:-1]
        places = torch.stack([begins + batch.by_sequence["start"], begins + batch.by_sequence["end"]], dim=1)
        picked = logits[places, torch.arange(2, device=logits.device)]
        return _summed((log_sums(logits, batch.cu_seqlens) - picked).mean(1))


def log_sums(logits: Tensor, cu_seqlens: Tensor) -> Tensor:
    """[B, 2] logarithm of the sum of exp(logits [T, 2]) over each sequence."""
    import torch

    lengths = cu_seqlens.diff()
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=logits.device), lengths)
    index = owner.unsqueeze(1).expand_as(logits)
    largest = logits.new_full((len(lengths), logits.shape[1]), -torch.inf)
    largest = largest.scatter_reduce(0, index, logits.detach(), "amax")
    sums = torch.zeros_like(largest).index_add(0, owner, (logits - largest[owner]).exp())
    return sums.log() + largest


def _summed(each: Tensor) -> Loss:
    """Of losses [B] of sequences."""
    import torch

    return Loss(
        sum=each.sum(),
        count=float(len(each)),
        per_sequence=each.detach(),
        counts=torch.ones_like(each, dtype=torch.double),
        only=lambda keep: _summed(each[keep]),
    )
