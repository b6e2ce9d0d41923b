"""Classes of pairs by their vectors, at work.

Legend: N pairs, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.objectives.sentence_vectors import LastLayers
from acclimate.objectives.softmax_pairs import SoftmaxObjective, pair_classes
from acclimate.transfer.vectors.pair_vectors import PairVectors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.transfer.examples.preparing import Examples


class PairClasses(PairVectors):
    """A bi-encoder with a projection of both vectors onto classes."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, *, sequence_length: int, pooling: LastLayers
    ) -> None:
        super().__init__(
            tokenizer,
            sequence_length=sequence_length,
            pooling=pooling,
            objective=lambda: SoftmaxObjective(pooling),
            marks=lambda examples: examples.labels.astype(np.float64),
        )

    def answers(
        self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any
    ) -> dict[str, NDArray[Any]]:
        """`scores`: logits [N, C]."""
        import torch

        found = self.vectors(model, examples, precision=precision, device=device)
        with torch.inference_mode():
            scores = pair_classes(model, *(torch.from_numpy(one).to(device) for one in found))
        return {"scores": scores.float().cpu().numpy()}
