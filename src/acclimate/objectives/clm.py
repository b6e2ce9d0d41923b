"""Causal language modelling: the next token, at every place.

Legend: T tokens in the row, B sequences, M targets, V vocabulary, H hidden size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss, ObjectiveSettings, Texts

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.next_token_store import NextTokenStore


class Clm(ObjectiveSettings):
    """Causal language modelling: loss = Σ_t −log p(x_t | x_1 … x_{t−1}), each token of the text asked for once.

    Input: documents as `[CLS] text [SEP]` (or what the tokenizer has for these: `<|endoftext|>` at both ends with
    GPT-2's), cut into sequences of equal length [T]; the first token of all is given, every other one and the end are
    asked for. A later sequence of a document begins with the last token of the one before. Attention stays within a
    sequence. Requires: a causal family (kind clm).
    Source: Bengio et al. 2003; Radford et al. 2018.
    Example: `objective: clm`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "clm")
    scores: ClassVar[bool] = True
    trains: ClassVar[str] = "clm"
    likelihood: ClassVar[Literal["every", "some"] | None] = "every"
    by_sequence: ClassVar[bool] = True

    joined: bool = False
    """Let a sequence run over the end of a document into the next, as GPT-2 was trained; all are then of full length,
    and a token may see another document's. Otherwise each document has sequences of its own."""

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> NextTokenStore:
        """Of the corpus's documents; `sequence_length` counts the token before the first that is asked for."""
        from acclimate.batching.next_token_store import NextTokenStore
        from acclimate.batching.token_store import TokenStore
        from acclimate.tokenizer.template import boundaries

        ends = boundaries(tokenizer)
        return NextTokenStore(TokenStore(texts.corpus), sequence_length, *ends, joined=self.joined)

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> CausalLanguageModel:
        """The objective; nothing in it is random."""
        from acclimate.tokenizer.template import boundaries

        return CausalLanguageModel(*boundaries(tokenizer))


class CausalLanguageModel:
    """The objective at work."""

    num_terms = 1

    def __init__(self, first_id: int, last_id: int) -> None:
        """The tokens around a document: that one begins after another is not asked for."""
        self._first, self._last = first_id, last_id

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Every token but the last of each sequence, which is a target only; a sequence of one token asks nothing."""
        lengths = sequences.lengths
        seen = np.ones(len(sequences.tokens), dtype=bool)
        seen[sequences.cu_seqlens[1:][lengths > 1] - 1] = False
        asks = seen & np.repeat(lengths > 1, lengths)
        following = np.roll(sequences.tokens, -1)
        asks &= ~((sequences.tokens == self._last) & (following == self._first))
        return pack(
            sequences.only(seen), target_positions=np.flatnonzero(asks[seen]), targets=following[asks]
        )

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of targets."""
        return (float(len(batch.targets)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over the targets."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_loss

        return token_loss(model, encode(model, batch), batch)

    def scored(self, model: PreTrainedModel, batch: PackedBatch) -> tuple[Loss, Tensor]:
        """(loss, log probabilities [M, V] of every token at the targets)."""
        from acclimate.models.forward import encode
        from acclimate.objectives.tokens import token_scores

        return token_scores(model, encode(model, batch), batch)
