"""Token types (Yamaguchi et al. 2021): has a token been left as it was, moved, or replaced at random?

Legend: T tokens in the row, B sequences, M tokens that are not special.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import model_validator

from acclimate.batching.counter_random import below, mix
from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.errors import UserError
from acclimate.objectives.lots import Drum, special_and_all
from acclimate.objectives.protocol import Loss, ObjectiveSettings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CLASSES = ("original", "shuffled", "random")


class TokenType(ObjectiveSettings):
    """Token type classification: of every token that is not special the model tells whether it is the original one (0),
    another one of the same sequence (1), or one drawn at random (2).

    Some tokens of a sequence change places with each other, each going to another's place; others become random ones.
    What happens to equal the original is original. Input: tokens [T]; asked for: a class at M places; loss: mean cross
    entropy. There is no vocabulary to score, so that a step costs less than one of mlm.
    Requires: a model with a class for each token (kind tokens).
    Source: Yamaguchi et al. 2021, "Frustratingly Simple Pretraining Alternatives to Masked Language Modeling" (there
    "shuffle + random"; what that paper calls token type is another objective).
    Example: `objective: {token_type: {shuffled: 10%, random: 10%}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "token_type")
    trains: ClassVar[str] = "tokens"
    likelihood: ClassVar[None] = None
    by_sequence: ClassVar[bool] = True

    shuffled: Share = 0.1
    """Share of each sequence's tokens that change places; two at least, where there are two."""
    random: Share = 0.1
    """Share that becomes a token drawn at random from the vocabulary."""

    @property
    def classes(self) -> tuple[str, ...]:
        return CLASSES

    @model_validator(mode="after")
    def _some_stay(self) -> TokenType:
        if not 0 < self.shuffled + self.random < 1:
            raise ValueError(
                f"shuffled {self.shuffled:.0%} and random {self.random:.0%}: some tokens must change, some must stay"
            )
        return self

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> TokenTypeClassification:
        """The objective. With `fixed`, what is changed does not change with the epoch."""
        special_ids, vocabulary = special_and_all(tokenizer)
        return TokenTypeClassification(
            special_ids=special_ids,
            vocabulary=vocabulary,
            shuffled=self.shuffled,
            random=self.random,
            seed=seed,
            fixed=fixed,
        )


class TokenTypeClassification:
    """The objective at work.

    Of a sequence's n tokens that are not special round(random·n) become random ones, and round(shuffled·n) of the
    others go round in a circle, every set and every circle being equally likely: a function of (seed, epoch, sequence
    id, position) alone.
    """

    num_terms = 1

    def __init__(
        self,
        *,
        special_ids: list[int],
        vocabulary: list[int],
        shuffled: float,
        random: float,
        seed: int,
        fixed: bool,
    ) -> None:
        """`vocabulary` lists all token ids; random replacements are drawn from those that are not special."""
        self._shuffled, self._random = shuffled, random
        self._drum = Drum(
            "token types", special_ids=special_ids, vocabulary=vocabulary, seed=seed, fixed=fixed
        )

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The batch with some tokens changed; its targets are the classes of all tokens that are not special."""
        lots = self._drum.draw(sequences)
        places, owner, counts = lots.places, lots.owner, lots.counts
        order, rank = lots.ranked()
        randoms = np.rint(self._random * counts).astype(np.int64)
        moved = np.rint(self._shuffled * counts).astype(np.int64)
        left = counts - randoms if self._shuffled else 0 * counts
        moved = np.where(left > 1, np.minimum(np.maximum(2, moved), left), 0)
        first, last = randoms[owner[order]], (randoms + moved)[owner[order]]
        circle, drawn = (rank >= first) & (rank < last), rank < first

        tokens = sequences.tokens.copy()
        classes = np.zeros(len(places), np.int64)
        # Each one of the circle gets the token of the next, the last one that of the first.
        following = np.arange(len(order)) + np.where(rank + 1 == last, first - rank, 1)
        to, source = order[circle], order[following[circle]]
        tokens[places[to]] = sequences.tokens[places[source]]
        classes[to] = 1
        new = order[drawn]
        ordinary, bits = self._drum.ordinary, mix(lots.bits[new] ^ self._drum.key)
        tokens[places[new]] = ordinary[below(bits, len(ordinary))]
        classes[new] = 2
        classes[tokens[places] == sequences.tokens[places]] = 0
        return pack(sequences, tokens=tokens, target_positions=places, targets=classes)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of tokens that are judged."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the tokens that are judged, with the accuracy beside it."""
        from torch.nn.functional import cross_entropy

        from acclimate.models.forward import encode, token_class_logits
        from acclimate.objectives.tokens import owners, summed

        logits = token_class_logits(model, encode(model, batch).index_select(0, batch.target_positions))
        if logits.shape[1] != len(CLASSES):
            raise UserError(
                f"token_type tells {len(CLASSES)} classes apart, the model's head {logits.shape[1]}"
            )
        each = cross_entropy(logits, batch.targets, reduction="none")
        return replace(
            summed(each, owners(batch), len(batch.ids)),
            parts={"token_type_accuracy": float((logits.argmax(1) == batch.targets).sum())},
        )
