"""Masked language modelling (Devlin et al. 2019): some tokens are hidden, the model is asked which they were.

Legend: T tokens in the row, B sequences, M targets, V vocabulary, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from acclimate.batching.counter_random import below, mix
from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.errors import UserError
from acclimate.objectives.lots import Drum, Lots, special_and_all
from acclimate.objectives.mask_units import SHARES, Candidates, Unit, chosen_groups
from acclimate.objectives.protocol import Loss, Mark, ObjectiveSettings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Mlm(ObjectiveSettings):
    """Masked language modelling with masks that change every epoch (dynamic masking, Liu et al. 2019).

    Of a sequence's n tokens that are not special max(1, round(rate·n)) are hidden, and the model is asked which they
    were. Input: sequences of tokens [T]; asked for: their tokens at M places; loss: mean cross entropy.
    Requires: a masked language model (kind mlm) and a tokenizer with a mask token.
    Source: Devlin et al. 2019, "BERT"; Liu et al. 2019, "RoBERTa"; rates up to 40%: Wettig et al. 2023, "Should You
    Mask 15% in Masked Language Modeling?".
    Example: `objective: {mlm: {rate: 20%, unit: word}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "mlm")
    scores: ClassVar[bool] = True
    bare: ClassVar[str | None] = "rate"
    trains: ClassVar[str] = "mlm"
    by_sequence: ClassVar[bool] = True

    rate: Share = 0.15
    """Share of each sequence's tokens that are asked for; one at least, never a special token."""
    mask: Share = 0.8
    """Share of those that the model sees as the mask token."""
    random: Share = 0.1
    """Share of those that the model sees as a token drawn at random; the rest it sees as they are."""
    unit: Unit = "token"
    """What is hidden together. token: each by itself. word: all tokens of a word (Cui et al. 2021 for Chinese, whose
    words rjieba finds, extra `zh`; without it each character is a word). ngram: n ≤ 3 words in a row, p(n) ∝ 1/n (Lan
    et al. 2020). span: words in a row, their number geometric with p = 0.2 up to 10, all seen as mask tokens, as random
    ones or as they are (Joshi et al. 2020). Of words the rate is kept in the mean."""

    @property
    def marks(self) -> frozenset[Mark]:
        return frozenset() if self.unit == "token" else frozenset(("words",))

    @field_validator("rate")
    @classmethod
    def _some(cls, value: float) -> float:
        if value == 0:
            raise ValueError("with a rate of 0% nothing is asked; expected more, for example 15%")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Mlm:
        if self.mask + self.random > 1 + 1e-9:
            raise ValueError(
                f"mask {self.mask:.0%} and random {self.random:.0%} together exceed 100% of the tokens asked for"
            )
        return self

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> MaskedLanguageModel:
        """The objective. With `fixed`, masks do not change with the epoch: for validation.

        Raises UserError for a tokenizer without a mask token.
        """
        if tokenizer.mask_token_id is None:
            raise UserError(
                "the tokenizer has no mask token, which the objective mlm needs; "
                f"its special tokens are: {', '.join(tokenizer.all_special_tokens) or 'none'}"
            )
        special_ids, vocabulary = special_and_all(tokenizer)
        return MaskedLanguageModel(
            mask_id=tokenizer.mask_token_id,
            special_ids=special_ids,
            vocabulary=vocabulary,
            rate=self.rate,
            mask=self.mask,
            random=self.random,
            unit=self.unit,
            seed=seed,
            fixed=fixed,
        )

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Every token a word."""
        return with_words(sequences) if self.marks else sequences


def with_words(sequences: Sequences) -> Sequences:
    """The sequences with every token marked as a word."""
    ones = np.ones(len(sequences.tokens), np.uint8)
    return replace(sequences, by_token={**sequences.by_token, "words": ones})


class MaskedLanguageModel:
    """The objective at work.

    Of a sequence's n tokens that are not special, max(1, round(rate·n)) are asked for (none when n is 0),
    every set of that size being equally likely; of other units see `mask_units.py`. What is hidden is a function of
    (seed, epoch, sequence id, position) alone: the same whatever else is in the batch, and again after a resume.
    """

    num_terms = 1

    def __init__(
        self,
        *,
        mask_id: int,
        special_ids: list[int],
        vocabulary: list[int],
        rate: float,
        mask: float,
        random: float,
        seed: int,
        fixed: bool,
        unit: Unit = "token",
    ) -> None:
        """`vocabulary` lists all token ids; random replacements are drawn from those that are not special."""
        self._mask_id = mask_id
        self._rate = rate
        self._unit = unit
        self._mask_below = round(mask * 2**32)
        self._random_below = round((mask + random) * 2**32)
        self._drum = Drum("masks", special_ids=special_ids, vocabulary=vocabulary, seed=seed, fixed=fixed)

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The batch with some tokens hidden; its targets are the tokens that stood there, in row order."""
        lots = self._drum.draw(sequences)
        places, bits, key = lots.places, lots.bits, self._drum.key
        if self._unit == "token":
            leads = chosen = self._lowest(lots)
        else:
            candidates = Candidates(places, lots.owner, bits, sequences.by_token["words"][places])
            chosen, leads = chosen_groups(candidates, len(sequences), self._rate, SHARES[self._unit])
        places, own = places[chosen], mix(bits[chosen] ^ key)
        targets = sequences.tokens[places]
        fate = (mix(bits[leads] ^ key) if self._unit == "span" else own) >> np.uint64(32)
        seen = np.where(
            fate < self._mask_below,
            self._mask_id,
            np.where(fate < self._random_below, self._random(own), targets),
        )
        tokens = sequences.tokens.copy()
        tokens[places] = seen
        return pack(sequences, tokens=tokens, target_positions=places, targets=targets)

    def _lowest(self, lots: Lots) -> NDArray[np.int64]:
        """Which tokens are asked for, ascending: of each sequence the due number with the lowest lots."""
        due = np.where(lots.counts, np.maximum(1, np.rint(self._rate * lots.counts)), 0).astype(np.int64)
        order, rank = lots.ranked()
        return np.sort(order[rank < np.repeat(due, lots.counts)])

    def _random(self, bits: NDArray[np.uint64]) -> NDArray[np.int64]:
        ordinary = self._drum.ordinary
        return ordinary[below(mix(bits ^ self._drum.key), len(ordinary))]

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets; the vocabulary is scored at targets only."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        return token_loss(model, encode(model, batch), batch)

    def scored(self, model: PreTrainedModel, batch: PackedBatch) -> tuple[Loss, Tensor]:
        """(loss, log probabilities [M, V] of every token at the targets)."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_scores

        return token_scores(model, encode(model, batch), batch)
