"""Supervised contrast: texts of one label are drawn together, all others apart.

Legend: B pairs, H hidden size, P(i) the views that share a label with view i, itself left out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.sentence_vectors import (
    LastLayers,
    Pooling,
    SentenceObjective,
    SentenceVectors,
    cosines,
)
from acclimate.recipe.columns import Column

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Contrastive(SentenceVectors):
    """Supervised contrast: loss = mean over views i of −1/|P(i)| Σ_{p∈P(i)} log softmax_{a≠i}(cos(z_i, z_a)/τ) at p.

    Input: texts with a label each (`pairs`, `source`, `label`); a text gives two views, which only dropout tells apart,
    or itself and its other wording (`target`): 2B sequences in, vectors z [2B, H]. Equal texts under different labels
    are left out of each other's sums. Classes are met in the batch alone: with as many sequences as there are classes,
    most views have no positive but their twin.
    Requires: a family with a bare encoder (kind encoder).
    Source: Khosla et al. 2020, "Supervised Contrastive Learning", equation 2 (τ 0.1).
    Example: `objective: {contrastive: {pairs: train.tsv, source: text, label: topic}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "contrastive")

    label: Column = "label"
    """The column with the label; texts with the same characters there belong together. Blank ones are dropped."""
    target: Column | None = None  # type: ignore[assignment]
    """The column with another wording of the text; unless given, the text itself is read twice."""
    temperature: float = Field(default=0.1, gt=0)
    """τ: what cosines are divided by."""

    @model_validator(mode="before")
    @classmethod
    def _twin(cls, values: Any) -> Any:
        """The text is its own other wording."""
        if isinstance(values, dict) and values.get("target") is None:
            return {**values, "target": values.get("source", 0)}
        return values

    @property
    def mark(self) -> str | int | None:
        return self.label

    def meaning(self, text: str) -> float | None:
        """A number of 48 bits, which a float holds exactly."""
        if not text.strip():
            return None
        return float(int.from_bytes(hashlib.blake2b(text.strip().encode(), digest_size=6).digest()))

    def marked(self, number: int) -> NDArray[np.float64]:
        return (np.arange(number) % 2).astype(np.float64)

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> ContrastiveObjective:
        """The objective; `fixed` changes nothing, as nothing is drawn."""
        return ContrastiveObjective(self.pooling, temperature=self.temperature)


class ContrastiveObjective(SentenceObjective):
    """The objective at work."""

    def __init__(self, pooling: Pooling | LastLayers, *, temperature: float) -> None:
        super().__init__(pooling)
        self._temperature = temperature

    def losses(self, model: PreTrainedModel, first: Tensor, second: Tensor, batch: PackedBatch) -> Tensor:
        marks = batch.by_sequence["marks"]
        return contrastive_losses(first, second, marks, batch.by_sequence["texts"], self._temperature)


def contrastive_losses(
    first: Tensor, second: Tensor, labels: Tensor, texts: Tensor, temperature: float | Tensor
) -> Tensor:
    """[B] the mean over each pair's two views [B, H] of the supervised contrastive loss among all 2B.

    labels [B] and texts [B, 2]: numbers that are equal where labels and texts are.
    """
    import torch

    views = torch.cat([first, second])
    labels, keys = labels.repeat(2), texts.T.reshape(-1)
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    alike = labels[:, None] == labels
    torn = (keys[:, None] == keys) & ~alike
    scores = (cosines(views, views) / temperature).masked_fill(itself | torn, -torch.inf)
    shares = torch.log_softmax(scores, dim=1)
    positive = alike & ~itself
    each = -torch.where(positive, shares, 0).sum(1) / positive.sum(1)
    return each.view(2, -1).mean(0)
