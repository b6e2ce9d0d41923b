"""Cosines of pairs of texts that are to be what people said: regression on degrees of likeness.

Legend: B pairs, H hidden size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.sentence_vectors import SentenceObjective, SentenceVectors
from acclimate.recipe.columns import Column

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class CosinePairs(SentenceVectors):
    """Semantic similarity: loss = mean over pairs of (cos(u, v) − y)², y the pair's score brought to 0–1.

    Input: pairs of texts with a score (`pairs`, `source`, `target`, `score`), read one by one: 2B sequences in, vectors
    u and v [B, H]. Pairs whose score is no number from `lowest` to `highest` are dropped (`no_mark`).
    Requires: a family with a bare encoder (kind encoder).
    Source: Reimers and Gurevych 2019, "Sentence-BERT" (regression objective).
    Example: `objective: {cosine_pairs: {pairs: {sts: {path: stsb}}, source: text, target: pair}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "cosine_pairs")

    score: Column = "score"
    """The column with the score."""
    lowest: float = 0.0
    """The score of texts that have nothing in common: cosine 0."""
    highest: float = 5.0
    """The score of texts that say the same: cosine 1. The STS benchmark goes from 0 to 5."""

    @model_validator(mode="after")
    def _ordered(self) -> CosinePairs:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest {self.lowest:g} is not below highest {self.highest:g}")
        return self

    @property
    def mark(self) -> str | int | None:
        return self.score

    def meaning(self, text: str) -> float | None:
        try:
            score = float(text)
        except ValueError:
            return None
        inside = self.lowest <= score <= self.highest  # also false for NaN
        return (score - self.lowest) / (self.highest - self.lowest) if inside else None

    def marked(self, number: int) -> NDArray[np.float64]:
        return (np.arange(number) % 2).astype(np.float64)

    def build(self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False) -> CosineObjective:
        """The objective; `fixed` changes nothing, as nothing is drawn."""
        return CosineObjective(self.pooling)


class CosineObjective(SentenceObjective):
    """The objective at work."""

    def losses(self, model: PreTrainedModel, first: Tensor, second: Tensor, batch: PackedBatch) -> Tensor:
        from torch.nn.functional import cosine_similarity

        return (cosine_similarity(first, second) - batch.by_sequence["marks"].float()).square()
