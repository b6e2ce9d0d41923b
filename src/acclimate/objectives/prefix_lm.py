"""Prefix language modelling: the first part of a text is seen both ways, each token of the rest is predicted.

Legend: T tokens in the row, B sequences, M targets, V vocabulary, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from acclimate.batching.counter_random import absorb, stream
from acclimate.batching.packed import PackedBatch, Sequences, pack, positions_in
from acclimate.objectives.protocol import Loss, ObjectiveSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class PrefixLm(ObjectiveSettings):
    """Prefix language modelling: loss = Σ_{t ≥ p} −log p(x_t | x_0 … x_{t−1}), where the first p tokens see each other.

    Input: whole sequences [T], special tokens included; of one with n tokens p is drawn from 1 … n−1, all equally
    likely, anew every epoch. Tokens of the prefix become segment 0, the others segment 1: so a model of the kind
    `prefix` knows where it ends. Requires: a family with that kind (transformer with `direction: prefix`).
    Source: Raffel et al. 2020, "prefix LM" of section 3.2; Dong et al. 2019 (UniLM).
    Example: `objective: prefix_lm`, `model: {family: transformer, direction: prefix}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "prefix_lm")
    trains: ClassVar[str] = "prefix"
    by_sequence: ClassVar[bool] = True

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> PrefixLanguageModel:
        """The objective. With `fixed`, prefixes do not change with the epoch: for validation."""
        return PrefixLanguageModel(seed=seed, fixed=fixed)


class PrefixLanguageModel:
    """The objective at work. Where a prefix ends is a function of (seed, epoch, sequence id)."""

    num_terms = 1

    def __init__(self, *, seed: int, fixed: bool) -> None:
        self._key = stream("prefixes fixed" if fixed else "prefixes", seed)
        self._fixed = fixed

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Segments tell the prefix; targets are all tokens behind it, asked for at the place before each."""
        lengths = sequences.lengths
        epochs = np.zeros_like(sequences.epochs) if self._fixed else sequences.epochs
        bits = absorb(absorb(self._key, epochs), sequences.ids)
        choices = np.maximum(lengths - 1, 1).astype(np.uint64)
        prefixes = 1 + (((bits >> np.uint64(32)) * choices) >> np.uint64(32)).astype(np.int64)
        behind = positions_in(sequences.cu_seqlens) >= np.repeat(prefixes, lengths)
        places = np.flatnonzero(behind)
        told = replace(sequences, segments=behind.astype(np.int64))
        return pack(told, target_positions=places - 1, targets=sequences.tokens[places])

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        return token_loss(model, encode(model, batch), batch)
