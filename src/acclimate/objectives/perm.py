"""Permutation language modelling (Yang et al. 2019): tokens are asked for in an order drawn at random.

Legend: T tokens in the row, B sequences, M targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import PackedBatch, Sequences, pack
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

    one_in: int = Field(default=6, ge=2)
    """One of so many tokens is asked for: the last sixth of the order (85 of 512), as the authors do."""

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False) -> Permutation:
        """The objective. With `fixed`, orders do not change with the epoch: for validation."""
        special = sorted(set(tokenizer.all_special_ids) - {tokenizer.unk_token_id})
        size = 1 + max(*tokenizer.get_vocab().values(), *special)
        return Permutation(special_ids=special, size=size, one_in=self.one_in, seed=seed, fixed=fixed)


class Permutation:
    """The objective at work. Orders are a function of (seed, epoch, sequence id, position), all equally likely."""

    num_terms = 1

    def __init__(self, *, special_ids: list[int], size: int, one_in: int, seed: int, fixed: bool) -> None:
        """`size`: one more than the largest id."""
        self._is_special = np.zeros(size, dtype=bool)
        self._is_special[special_ids] = True
        self._one_in = one_in
        self._fixed = fixed
        self._key = stream("orders fixed" if fixed else "orders", seed)

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The batch with its `order`; its targets are the tokens that have a number, in row order."""
        places = np.flatnonzero(~self._is_special[sequences.tokens])
        owner = np.repeat(np.arange(len(sequences), dtype=np.int64), sequences.lengths)[places]
        epochs = np.zeros_like(sequences.epochs) if self._fixed else sequences.epochs
        keys = absorb(absorb(self._key, epochs), sequences.ids)
        bits = draw(keys[owner], (places - sequences.cu_seqlens[owner]).astype(np.uint64))
        counts = np.bincount(owner, minlength=len(sequences))
        # Something must be seen: a sequence of one token, that is not special either, is not asked for it.
        due = np.minimum(np.maximum(1, counts // self._one_in), sequences.lengths - 1)
        drawn = np.lexsort((bits, owner))
        rank = np.arange(len(drawn)) - np.repeat(np.cumsum(counts) - counts, counts)
        chosen = rank < np.repeat(due, counts)
        order = np.zeros(len(sequences.tokens), dtype=np.int64)
        order[places[drawn[chosen]]] = rank[chosen] + 1
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
