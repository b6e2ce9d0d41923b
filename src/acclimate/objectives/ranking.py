"""Ranking by in-batch negatives: which second text of the batch belongs to this first one; SimCSE where none is given.

Legend: B pairs, H hidden size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.parallel_data import Reader
from acclimate.objectives.protocol import ObjectiveSettings, Texts
from acclimate.objectives.sentence_vectors import (
    LastLayers,
    Pooling,
    SentenceObjective,
    SentenceVectors,
    cosines,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore


class Ranking(SentenceVectors):
    """Multiple negatives ranking: loss = mean over i of −log softmax_j(scale · cos(u_i, v_j)) at j = i.

    Input: pairs of texts that belong together, such as questions and answers (`pairs`, a column each), read one by one:
    2B sequences in, vectors u and v [B, H]. Without `pairs` every sequence of the corpus is read twice, and only
    dropout tells u from v (SimCSE): dropout must not be 0. Texts of the batch that are equal to one of the pair are no
    negatives. Negatives are those of a micro-batch: `hardware.micro_batch` makes them fewer.
    Requires: a family with a bare encoder (kind encoder).
    Source: Henderson et al. 2017 (in-batch negatives), Reimers and Gurevych 2019 (scale 20), Gao et al. 2021, "SimCSE"
    (τ 0.05, which is scale 20).
    Example: `objective: {ranking: {pairs: questions.tsv, source: question, target: answer}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "ranking")

    pairs: Reader | None = None  # type: ignore[assignment]
    """Pairs of texts that belong together: any reader of records, or a path of TSV, CSV or JSON lines; unless given,
    the corpus's own sequences, each with itself."""
    scale: float = Field(default=20.0, gt=0)
    """What cosines are multiplied by, 1/τ: larger looks at the hardest negatives more."""

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> TextStore:
        of = ObjectiveSettings if self.pairs is None else SentenceVectors
        return of.store(self, texts, tokenizer=tokenizer, sequence_length=sequence_length, seed=seed)

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> RankingObjective:
        """The objective; `fixed` changes nothing, as nothing is drawn."""
        return RankingObjective(self.pooling, scale=self.scale, twins=self.pairs is None)


class RankingObjective(SentenceObjective):
    """The objective at work."""

    def __init__(self, pooling: Pooling | LastLayers, *, scale: float, twins: bool) -> None:
        super().__init__(pooling, twins=twins)
        self._scale = scale

    def losses(self, model: PreTrainedModel, first: Tensor, second: Tensor, batch: PackedBatch) -> Tensor:
        return ranking_losses(first, second, batch.by_sequence["texts"], self._scale)


def ranking_losses(first: Tensor, second: Tensor, texts: Tensor, scale: float | Tensor) -> Tensor:
    """[B] cross entropy of finding each first vector's second [B, H] among all that are not of an equal text.

    texts [B, 2]: numbers that are equal where texts are.
    """
    import torch
    from torch.nn.functional import cross_entropy

    logits = scale * cosines(first, second)
    u, v = texts[:, 0], texts[:, 1]
    same = (u[:, None] == u) | (v[:, None] == v) | (u[:, None] == v)
    same &= ~torch.eye(len(texts), dtype=torch.bool, device=texts.device)
    right = torch.arange(len(texts), device=texts.device)
    return cross_entropy(logits.masked_fill(same, -torch.inf), right, reduction="none")
