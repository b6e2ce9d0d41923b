"""Permutation language modelling (Yang et al. 2019): tokens are asked for in an order drawn at random.

Legend: T tokens in the row, B sequences, M targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.lots import Drum, special_and_all
from acclimate.objectives.protocol import Loss, ObjectiveSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Perm(ObjectiveSettings):
    """Permutation language modelling: the last tokens of a random order are predicted, each from those before it.

    Input: [T] tokens, none of them hidden, and `order` [T]: 0 for a token that all others see, 1, 2, … for those that
    are asked for; the one with number k is predicted from its place, from the tokens with 0 and from those with 1 to
    k−1. Of a sequence's n tokens that are not special ⌊n/`one_in`⌋ are asked for, one at least. Tokens with 0 see each
    other whatever their order, as in the released code; in the paper each sees only those before it.
    Requires: a model with a stream that does not know the token (kind perm): the family xlnet.
    Source: Yang et al. 2019, "XLNet: Generalized Autoregressive Pretraining for Language Understanding".
    Example: `objective: {perm: {one_in: 6}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "perm")
    bare: ClassVar[str | None] = "one_in"
    trains: ClassVar[str] = "perm"
    by_sequence: ClassVar[bool] = True

    one_in: int = Field(default=6, ge=2)
    """One of so many tokens is asked for: the last sixth of the order (85 of 512), as the authors do."""

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False) -> Permutation:
        """The objective. With `fixed`, orders do not change with the epoch: for validation."""
        special_ids, vocabulary = special_and_all(tokenizer)
        drum = Drum("orders", special_ids=special_ids, vocabulary=vocabulary, seed=seed, fixed=fixed)
        return Permutation(drum, one_in=self.one_in)


class Permutation:
    """The objective at work. Orders are a function of (seed, epoch, sequence id, position), all equally likely."""

    num_terms = 1

    def __init__(self, drum: Drum, *, one_in: int) -> None:
        self._drum, self._one_in = drum, one_in

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The batch with its `order`; its targets are the tokens that have a number, in row order."""
        lots = self._drum.draw(sequences)
        counts = lots.counts
        # Something must be seen: a sequence of one token, that is not special either, is not asked for it.
        due = np.minimum(np.maximum(1, counts // self._one_in), sequences.lengths - 1)
        drawn, rank = lots.ranked()
        chosen = rank < np.repeat(due, counts)
        order = np.zeros(len(sequences.tokens), dtype=np.int64)
        order[lots.places[drawn[chosen]]] = rank[chosen] + 1
        asked = np.flatnonzero(order)
        ordered = replace(sequences, by_token={**sequences.by_token, "order": order})
        return pack(ordered, target_positions=asked, targets=sequences.tokens[asked])

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets; the vocabulary is scored at targets only."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        return token_loss(model, encode(model, batch), batch)
