"""Language modelling in both directions (Peters et al. 2018): the next token, and the one before.

Legend: T tokens in the row, B sequences, M targets, P hidden size of one direction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss, ObjectiveSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class BiLm(ObjectiveSettings):
    """Each token of a sequence is predicted from those before it, and from those behind it, by two models that share
    the words and the vocabulary: the loss is the mean of both cross entropies.

    Its input is sequences of T tokens in a row, targets all tokens but the first (forwards) and all but the last
    (backwards). Figures of held-out text are those of the forward model, exact. Needs a family of the kind `bilm`.
    Source: Peters et al. 2018.

        pretrain: {objective: bilm, sequence_length: 64}
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "bilm")
    trains: ClassVar[str] = "bilm"
    likelihood: ClassVar[Literal["every", "some"] | None] = "every"

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> BidirectionalLanguageModel:
        """The objective. Nothing in it is random."""
        return BidirectionalLanguageModel()


class BidirectionalLanguageModel:
    """The objective at work."""

    num_terms = 2

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The batch with the forward targets; a token's backward target is the input before it."""
        last = np.zeros(len(sequences.tokens), dtype=bool)
        last[sequences.cu_seqlens[1:] - 1] = True
        places = np.flatnonzero(~last)
        return pack(sequences, target_positions=places, targets=sequences.tokens[places + 1])

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets, the same both ways."""
        return (float(len(batch.targets)),) * 2

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets: forwards, then backwards, each of weight ½."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        ahead, back = encode(model, batch).chunk(2, dim=-1)  # [T, P] each
        places = batch.target_positions
        turned = replace(batch, target_positions=places + 1, targets=batch.tokens[places])
        backward = replace(token_loss(model, back, turned), name="backward", weight=0.5)
        return replace(token_loss(model, ahead, batch), name="forward", weight=0.5, others=(backward,))
