"""Replaced token detection (Clark et al. 2020): which tokens has a small generator put in the original ones' place?

Legend: T tokens in the row, B sequences, M masked places, V vocabulary, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, field_validator

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import PackedBatch, Sequences, positions_in
from acclimate.objectives.mlm import MaskedLanguageModel, Mlm
from acclimate.objectives.protocol import Loss, ObjectiveSettings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_CHANCE = "chance"
_AT_ONCE = 2**24
"""Vocabulary scores that are in memory together while tokens are drawn."""


class Rtd(ObjectiveSettings):
    """Replaced token detection: a generator learns to fill masked places; at each a token is drawn from its
    distribution, and the discriminator tells for every token whether it is the original one.

    L = mean cross entropy of the generator over the M places + `weight` · mean binary cross entropy of the
    discriminator over all T tokens. Of the places the generator sees 85% as the mask token and 15% as they are, none as
    a random token. A drawn token that equals the original is original. No gradient passes through the drawing.
    Requires: a family with a generator and a discriminator (kind rtd). The discriminator is what is delivered.
    Source: Clark et al. 2020, "ELECTRA"; as in its published code special tokens are judged too, and the losses of the
    places that are seen as they are count. Learning rates there: 5e-4 for small, 2e-4 for base.
    Example: `objective: {rtd: {rate: 25%}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "rtd")
    bare: ClassVar[str | None] = "rate"
    trains: ClassVar[str] = "rtd"

    rate: Share = 0.15
    """Share of each sequence's tokens that the generator fills in; one at least. 15% for small and base, 25% for large
    models."""
    mask: Share = 0.85
    """Share of those that the generator sees as the mask token; the rest it sees as they are."""
    weight: float = Field(default=50.0, gt=0)
    """λ: weight of the discriminator's loss."""

    @field_validator("rate")
    @classmethod
    def _some(cls, value: float) -> float:
        if value == 0:
            raise ValueError("with a rate of 0% nothing is replaced; expected more, for example 15%")
        return value

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> ReplacedTokenDetection:
        """The objective. With `fixed`, masks and chances do not change with the epoch. Raises UserError as mlm does."""
        masked = Mlm(rate=self.rate, mask=self.mask, random=0.0).build(
            tokenizer=tokenizer, seed=seed, fixed=fixed
        )
        return ReplacedTokenDetection(masked, weight=self.weight, seed=seed, fixed=fixed)


class ReplacedTokenDetection:
    """The objective at work. The generator's loss leads; the discriminator's, with its accuracy beside it, follows.

    Which token is drawn is a function of (seed, epoch, sequence, position) and of the generator's distribution: a
    uniform number is looked up in the sums of its probabilities, which draws as the largest of scores with Gumbel noise
    does, and takes one number a place instead of one for each token of the vocabulary.
    """

    num_terms = 2

    def __init__(self, masked: MaskedLanguageModel, *, weight: float, seed: int, fixed: bool) -> None:
        self._masked, self._weight, self._fixed = masked, weight, fixed
        self._key = stream("replacements fixed" if fixed else "replacements", seed)

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """What the generator sees; `chance` [T] in `by_token` is the number that decides what is drawn at a place."""
        import torch

        epochs = np.zeros_like(sequences.epochs) if self._fixed else sequences.epochs
        keys = np.repeat(absorb(absorb(self._key, epochs), sequences.ids), sequences.lengths)
        bits = draw(keys, positions_in(sequences.cu_seqlens).astype(np.uint64))
        chance = ((bits >> np.uint64(40)).astype(np.float32)) * np.float32(2.0**-24)
        batch = self._masked.prepare(sequences)
        return replace(batch, by_token={**batch.by_token, _CHANCE: torch.from_numpy(chance)})

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Places that the generator fills, and tokens that the discriminator judges."""
        return (*self._masked.count(batch), float(batch.num_tokens))

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Both losses in nats, fp32. The model's `generator` is one for masked language modelling."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        from acclimate.models.forward import encode, replaced_logits
        from acclimate.objectives.tokens import token_loss

        hidden = encode(model.generator, batch)
        generator = token_loss(model.generator, hidden, batch)
        seen, replaced = self.corrupted(model, hidden, batch)
        logits = replaced_logits(model, encode(model, seen))
        each = binary_cross_entropy_with_logits(logits, replaced, reduction="none")
        discriminator = Loss(
            sum=each.sum(),
            count=float(len(each)),
            parts={
                "discriminator_accuracy": float(((logits > 0) == (replaced > 0)).sum()),
                "replaced": float(replaced.sum()),
            },
            name="discriminator",
            weight=self._weight,
        )
        return replace(generator, name="generator", others=(discriminator,))

    @staticmethod
    def corrupted(
        model: PreTrainedModel, hidden: torch.Tensor, batch: PackedBatch
    ) -> tuple[PackedBatch, torch.Tensor]:
        """(the original tokens with drawn ones at the masked places, 1.0 where a token is not the original one [T]),
        given the generator's output [T, H]."""
        places = batch.target_positions
        drawn = drawn_tokens(model.generator, hidden.detach()[places], batch.by_token[_CHANCE][places])
        tokens, replaced = batch.tokens.clone(), batch.by_token[_CHANCE].new_zeros(batch.num_tokens)
        tokens[places] = drawn
        replaced[places] = (drawn != batch.targets).to(replaced.dtype)
        return replace(batch, tokens=tokens), replaced


def drawn_tokens(model: PreTrainedModel, hidden: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """[M] tokens drawn from the model's distributions at places of this output [M, H], by numbers in [0, 1) [M]."""
    import torch

    from acclimate.models.forward import token_logits

    drawn = []
    with torch.no_grad():
        step = max(1, _AT_ONCE // model.config.vocab_size)
        for part, chance in zip(hidden.split(step), chances.split(step), strict=True):
            sums = token_logits(model, part).float().softmax(-1).cumsum(-1)
            # Rounding lets sums end a little beside 1.
            wanted = (chance * sums[:, -1]).unsqueeze(1)
            drawn.append(
                torch.searchsorted(sums, wanted, right=True).squeeze(1).clamp_(max=sums.shape[1] - 1)
            )
    return torch.cat(drawn) if drawn else chances.long()
