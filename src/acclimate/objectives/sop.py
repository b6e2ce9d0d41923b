"""Sentence order prediction (Lan et al. 2020): in which order do two texts of a document stand?"""

from __future__ import annotations

from typing import ClassVar, Literal

from acclimate.batching.sentence_pairs import Order
from acclimate.objectives.sentence_pairs import OfSentencePairs


class Sop(OfSentencePairs):
    """Sentence order prediction. Two classes: 0, the texts stand as in the document; 1, they are swapped (ALBERT).
    Three: the second is the next one (0), the previous one (1), or from another document (2), a third each
    (StructBERT).

    Input: the corpus's documents as pairs `[CLS] A [SEP] B [SEP]`, cut at a sentence's start (batching/
    sentence_pairs.py); tokens [T], segments [T], order [B]. Loss: mean cross entropy over pairs, plus mlm's of tokens.
    Requires: a model with a head over pairs (kind pretraining), and documents of several sentences.
    Source: Lan et al. 2020, "ALBERT"; Wang et al. 2020, "StructBERT".
    Example: `objective: {sop: {orders: 3}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "sop")
    bare: ClassVar[str | None] = "orders"

    orders: Literal[2, 3] = 2
    """How many orders are told apart."""

    @property
    def shown(self) -> tuple[Order, ...]:
        return ("next", "previous", "other")[: self.orders]  # type: ignore[return-value]
