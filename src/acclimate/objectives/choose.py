"""One of several choices: a logit for each, and a softmax over those of a question.

Legend: N questions in the store, B in the batch, S sequences of all their choices, M choices of the question with most.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.classify import summed
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class Choosing:
    """The objective of multiple choice: the sum over questions of −log softmax of their choices' logits at the right
    one, count B. Questions may have different numbers of choices.

    answers: [N] number of the right choice; row i belongs to question i of the store.
    """

    num_terms = 1

    def __init__(self, answers: NDArray[Any]) -> None:
        self._answers = np.asarray(answers, dtype=np.int64)

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Every choice becomes a sequence of its own; the first token of a question's first one bears the answer."""
        batch = pack(
            split_choices(sequences),
            target_positions=np.ascontiguousarray(sequences.cu_seqlens[:-1]),
            targets=self._answers[sequences.ids],
        )
        return replace(batch, ids=sequences.ids)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of questions."""
        return (float(len(batch.ids)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over the batch."""
        import torch
        from torch.nn.functional import cross_entropy

        from acclimate.models.forward import class_logits

        scores = by_question(class_logits(model, batch).squeeze(1), batch.by_sequence["choices"])
        losses = cross_entropy(scores, batch.targets, reduction="none")
        return summed(losses, torch.ones_like(losses, dtype=torch.float64))


def split_choices(sequences: Sequences) -> Sequences:
    """The choices [S] of questions [B] as sequences of their own; `choices` [B] stays."""
    starts = np.flatnonzero(sequences.by_token["starts"])
    counts = sequences.by_sequence["choices"]
    return replace(
        sequences,
        cu_seqlens=np.append(starts, len(sequences.tokens)).astype(np.int64),
        ids=np.repeat(sequences.ids, counts),
        epochs=np.repeat(sequences.epochs, counts),
        by_token={},
    )


def by_question(logits: Tensor, counts: Tensor) -> Tensor:
    """[S] logits of choices, in the order of their questions → [B, M], −∞ where a question has fewer."""
    import torch

    real = torch.arange(int(counts.max()), device=logits.device) < counts[:, None]
    found = logits.new_full(real.shape, -torch.inf)
    return found.masked_scatter(real, logits)
