"""Next sentence prediction (Devlin et al. 2019): does the second text follow the first?"""

from __future__ import annotations

from typing import ClassVar

from acclimate.batching.sentence_pairs import Order
from acclimate.objectives.sentence_pairs import OfSentencePairs


class Nsp(OfSentencePairs):
    """Next sentence prediction: class 0, the second text follows the first; class 1, it is from another document. Half
    of the pairs are of each class, drawn anew every epoch; with `mlm` this is how BERT was pretrained.

    Input: the corpus's documents as pairs `[CLS] A [SEP] B [SEP]`, cut at a sentence's start (batching/
    sentence_pairs.py); tokens [T], segments [T], order [B]. Loss: mean cross entropy over pairs, plus mlm's of tokens.
    Classes are numbered as in Google's code. Other than there, a text of another document is as long as the one whose
    place it takes and comes from a like place, so that nothing but its meaning tells it.
    Requires: a model with a head over pairs (kind pretraining), and documents of several sentences.
    Source: Devlin et al. 2019, "BERT".
    Example: `objective: {nsp: {mlm: {rate: 15%, unit: word}}}`, or alone: `objective: {nsp: {mlm: null}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "nsp")

    @property
    def shown(self) -> tuple[Order, ...]:
        return "next", "other"
