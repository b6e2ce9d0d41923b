"""What sentence embedding learns by: the objectives over pairs of vectors, with their marks and their pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.objectives.contrastive import ContrastiveObjective
from acclimate.objectives.cosine_pairs import CosineObjective
from acclimate.objectives.ranking import RankingObjective
from acclimate.objectives.softmax_pairs import SoftmaxObjective
from acclimate.transfer.vectors.pair_vectors import PairVectors

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.vectors.embedding import Embedding


def goal(settings: Embedding, names: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> PairVectors:
    """The task at work. `names`: the labels in the order of their ids, where pairs have any."""
    pooling = settings.vector.build()
    objectives: dict[str, Any] = {
        "cosine": lambda: CosineObjective(pooling),
        "ranking": lambda: RankingObjective(pooling, scale=settings.scale, twins=False),
        "softmax": lambda: SoftmaxObjective(pooling),
        "contrastive": lambda: ContrastiveObjective(pooling, temperature=settings.temperature),
    }

    def marks(examples: Examples) -> NDArray[np.float64]:
        if settings.learn != "cosine":
            return examples.labels.astype(np.float64)
        scores = np.array([one["score"] for one in examples.more], dtype=np.float64)
        return (scores - settings.lowest) / (settings.highest - settings.lowest)

    def chosen(examples: Examples) -> NDArray[np.bool_]:
        if settings.learn != "ranking" or settings.positive is None:
            return np.ones(len(examples), dtype=bool)
        if isinstance(settings.positive, str):
            return np.asarray(examples.labels == names.index(settings.positive))
        return np.array([one["score"] >= settings.positive for one in examples.more], dtype=bool)

    return PairVectors(
        tokenizer,
        sequence_length=settings.sequence_length,
        pooling=pooling,
        objective=objectives[settings.learn],
        marks=marks,
        chosen=chosen,
    )
