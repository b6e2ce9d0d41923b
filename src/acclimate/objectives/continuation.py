"""Text behind a text: a causal model reads a source and is asked for its target alone.

Legend: T tokens in the row, B sequences, M targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Continuation:
    """Segment 0 of a sequence is given, each token of segment 1 is asked for: loss = Σ_{t in 1} −log p(x_t | x_<t).

    Nothing is drawn at random. Source: Radford et al. 2018, who so put tasks before a causal model; smoothing: Szegedy
    et al. 2016.
    """

    num_terms = 1

    def __init__(self, *, smoothing: float = 0.0) -> None:
        """smoothing: ε of the targets (1 − ε)·y + ε/V."""
        self._smoothing = smoothing

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Every token but the last of each sequence, which is a target only."""
        seen = np.ones(len(sequences.tokens), dtype=bool)
        seen[sequences.cu_seqlens[1:] - 1] = False
        asks = seen & (np.roll(sequences.segments, -1) == 1)
        row = sequences.only(seen)
        row = replace(row, segments=np.zeros_like(row.segments))  # whoever writes is told of none
        return pack(
            row, target_positions=np.flatnonzero(asks[seen]), targets=np.roll(sequences.tokens, -1)[asks]
        )

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets; with smoothing that of the smoothed targets."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss
        from acclimate.objectives.writing import smoothed_loss

        if self._smoothing:
            return smoothed_loss(model, batch, self._smoothing)
        return token_loss(model, encode(model, batch), batch)
