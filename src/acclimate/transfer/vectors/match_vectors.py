"""Matching by vectors, at work.

Legend: N pairs, M distinct second texts, D dimensions of a vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import comparable
from acclimate.objectives.cosine_odds import MIDDLE, OddsObjective
from acclimate.objectives.ranking import RankingObjective
from acclimate.objectives.sentence_vectors import LastLayers, SentenceObjective
from acclimate.transfer.vectors.pair_vectors import PairVectors, cosines_of, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.transfer.examples.preparing import Examples

_ROWS = 1024
"""Questions whose cosines with all candidates are in memory at once."""


class MatchVectors(PairVectors):
    """A bi-encoder whose cosines say whether two texts belong together."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        sequence_length: int,
        pooling: LastLayers,
        scale: float,
        in_batch: bool,
        rank_all: bool,
    ) -> None:
        """in_batch: learn right pairs against the rest of the batch. rank_all: every second text is a candidate."""

        def objective() -> SentenceObjective:
            if in_batch:
                return RankingObjective(pooling, scale=scale, twins=False)
            return OddsObjective(pooling, scale=scale)

        super().__init__(
            tokenizer,
            sequence_length=sequence_length,
            pooling=pooling,
            objective=objective,
            marks=lambda examples: examples.labels.astype(np.float64),
            chosen=(lambda examples: np.asarray(examples.labels == 1)) if in_batch else None,
        )
        self._scale = scale
        self._rank_all = rank_all

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`scores`: [N, 2], 0 and the logit that the pair belongs together; perhaps `ranks`: [N] of each pair's second
        text among all of them."""
        first, second = self.vectors(model, examples, precision=precision, device=device)
        logits = self._scale * (cosines_of(first, second) - MIDDLE)
        found: dict[str, NDArray[Any]] = {"scores": np.stack([np.zeros_like(logits), logits], axis=1)}
        if self._rank_all:
            assert examples.pairs is not None
            found["ranks"] = ranks_among_all(first, second, examples.pairs)
        return found


def ranks_among_all(
    first: NDArray[np.float32], second: NDArray[np.float32], candidates: Sequence[str]
) -> NDArray[np.int64]:
    """[N] the rank of each pair's second text among all distinct ones, by cosine with its first, from 1; of equal
    cosines each has the last place of all."""
    number: dict[str, int] = {}
    index = np.array([number.setdefault(comparable(text), len(number)) for text in candidates])
    _, places = np.unique(index, return_index=True)
    distinct, ranks = unit(second[places]), np.empty(len(first), np.int64)
    for start in range(0, len(first), _ROWS):
        part = slice(start, min(start + _ROWS, len(first)))
        likeness = unit(first[part]) @ distinct.T
        own = likeness[np.arange(len(likeness)), index[part]]
        ranks[part] = (likeness >= own[:, None]).sum(axis=1)
    return ranks
