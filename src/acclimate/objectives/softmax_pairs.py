"""Classifying pairs of texts by their vectors, so that the vectors learn what tells them apart.

Legend: B pairs, H hidden size, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.sentence_vectors import SentenceObjective, SentenceVectors
from acclimate.recipe.columns import Column

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

HEAD = "pair_classifier"


class SoftmaxPairs(SentenceVectors):
    """Classification of pairs by their vectors: loss = mean over pairs of −log softmax(W·[u; v; |u − v|] + b) at y.

    Input: pairs of texts with a label (`pairs`, `source`, `target`, `label`), such as premise, hypothesis and whether
    it follows, read one by one: 2B sequences in, vectors u and v [B, H]. W [C, 3H] is trained besides the encoder and
    saved with it as `pair_classifier`, where nobody needs it; pairs of other labels are dropped (`no_mark`).
    Requires: a family with a bare encoder (kind encoder).
    Source: Reimers and Gurevych 2019, "Sentence-BERT" (classification objective, equation in section 3).
    Example: `objective: {softmax_pairs: {pairs: nli.tsv, labels: [entailment, neutral, contradiction]}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "softmax_pairs")

    label: Column = "label"
    """The column with the label."""
    labels: list[str] = Field(min_length=2)
    """The labels, as the column writes them."""

    @field_validator("labels")
    @classmethod
    def _different(cls, value: list[str]) -> list[str]:
        twice = [label for label in value if value.count(label) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice")
        return value

    @property
    def mark(self) -> str | int | None:
        return self.label

    def meaning(self, text: str) -> float | None:
        return float(self.labels.index(text.strip())) if text.strip() in self.labels else None

    def marked(self, number: int) -> NDArray[np.float64]:
        return (np.arange(number) % len(self.labels)).astype(np.float64)

    def furnish(self, model: PreTrainedModel, seed: int) -> None:
        """The classifier, drawn with a deviation of 0.02."""
        from acclimate.models.forward import width

        add_pair_classifier(model, width(model), len(self.labels), seed)

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> SoftmaxObjective:
        """The objective; `fixed` changes nothing, as nothing is drawn."""
        return SoftmaxObjective(self.pooling)


class SoftmaxObjective(SentenceObjective):
    """The objective at work, on a model that was furnished with its classifier."""

    def losses(self, model: PreTrainedModel, first: Tensor, second: Tensor, batch: PackedBatch) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(
            pair_classes(model, first, second), batch.by_sequence["marks"].long(), reduction="none"
        )


def add_pair_classifier(
    model: PreTrainedModel, size: int, number: int, seed: int, weights: Mapping[str, Tensor] | None = None
) -> None:
    """Give the model a projection of [u; v; |u − v|], vectors of this size, onto so many classes.

    Its weights are drawn, unless `weight` and `bias` are given.
    """
    import torch

    head = torch.nn.Linear(3 * size, number)
    if weights is None:
        torch.nn.init.normal_(head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        torch.nn.init.zeros_(head.bias)
    else:
        head.load_state_dict(weights)
    model.add_module(HEAD, head)


def pair_classes(model: PreTrainedModel, first: Tensor, second: Tensor) -> Tensor:
    """[B, C] class scores of pairs of vectors [B, H], by a model that has the projection."""
    import torch

    head: Any = model.get_submodule(HEAD)
    logits: Tensor = head(torch.cat([first, second, (first - second).abs()], dim=1))
    return logits
