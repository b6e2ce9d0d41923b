"""Masked language modelling (Devlin et al. 2019): some tokens are hidden, the model is asked which they were.

Legend: T tokens in the row, B sequences, M targets, V vocabulary, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from acclimate.batching.counter_random import absorb, below, draw, mix, stream
from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.errors import UserError
from acclimate.objectives.mask_units import SHARES, Candidates, Unit, chosen_groups
from acclimate.objectives.protocol import Loss, Mark, ObjectiveSettings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
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
    bare: ClassVar[str | None] = "rate"
    trains: ClassVar[str] = "mlm"

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
        return MaskedLanguageModel(
            mask_id=tokenizer.mask_token_id,
            # [UNK] stands for text, and is asked for like other text: leaving it out would flatter bits per byte.
            special_ids=sorted(set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}),
            vocabulary=sorted(set(tokenizer.get_vocab().values())),
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
        self._fixed = fixed
        self._key = stream("masks fixed" if fixed else "masks", seed)
        self._is_special = np.zeros(max(*vocabulary, *special_ids) + 1, dtype=bool)
        self._is_special[special_ids] = True
        ids = np.array(vocabulary, dtype=np.int64)
        self._ordinary: NDArray[np.int64] = ids[~self._is_special[ids]]
        if not len(self._ordinary):
            raise UserError("the tokenizer has no token but special ones")

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The batch with some tokens hidden; its targets are the tokens that stood there, in row order."""
        places = np.flatnonzero(~self._is_special[sequences.tokens])
        owner = np.repeat(np.arange(len(sequences), dtype=np.int64), sequences.lengths)[places]
        epochs = np.zeros_like(sequences.epochs) if self._fixed else sequences.epochs
        keys = absorb(absorb(self._key, epochs), sequences.ids)
        bits = draw(keys[owner], (places - sequences.cu_seqlens[owner]).astype(np.uint64))
        if self._unit == "token":
            leads = chosen = self._lowest(bits, owner, len(sequences))
        else:
            candidates = Candidates(places, owner, bits, sequences.by_token["words"][places])
            chosen, leads = chosen_groups(candidates, len(sequences), self._rate, SHARES[self._unit])
        places, own = places[chosen], mix(bits[chosen] ^ self._key)
        targets = sequences.tokens[places]
        fate = (mix(bits[leads] ^ self._key) if self._unit == "span" else own) >> np.uint64(32)
        seen = np.where(
            fate < self._mask_below,
            self._mask_id,
            np.where(fate < self._random_below, self._ordinary[self._random(own)], targets),
        )
        tokens = sequences.tokens.copy()
        tokens[places] = seen
        return pack(sequences, tokens=tokens, target_positions=places, targets=targets)

    def _lowest(
        self, bits: NDArray[np.uint64], owner: NDArray[np.int64], num_sequences: int
    ) -> NDArray[np.int64]:
        """Which candidates are asked for, ascending: of each owner's the due number with the lowest bits."""
        counts = np.bincount(owner, minlength=num_sequences)
        due = np.where(counts, np.maximum(1, np.rint(self._rate * counts)), 0).astype(np.int64)
        # Sorting by owner first keeps each sequence's candidates together; equal upper bits fall to the earlier place.
        order = np.argsort(
            (owner.astype(np.uint64) << np.uint64(32)) | (bits >> np.uint64(32)), kind="stable"
        )
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.sort(order[rank < np.repeat(due, counts)])

    def _random(self, bits: NDArray[np.uint64]) -> NDArray[np.int64]:
        return below(mix(bits ^ self._key), len(self._ordinary))

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets; the vocabulary is scored at targets only."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        return token_loss(model, encode(model, batch), batch)
