"""Language modelling over streams of text, with what the model remembers carried from step to step.

Legend: B streams, L tokens of each in a step, T = B·L tokens in the row, H hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.objectives.protocol import Loss, ObjectiveSettings, Texts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.streams import StreamStore


class ClmStream(ObjectiveSettings):
    """The next token, in text read from its beginning to its end: truncated backpropagation through time.

    The training text is cut into as many streams of equal length as `pretrain.batch` says, in sequences, and a step
    takes the next `pretrain.sequence_length` tokens of each; what the model remembers is carried on, without gradient,
    and forgotten where an epoch begins. Documents follow each other, an end-of-text token (the tokenizer's sep or eos)
    after each. Held-out text is one stream, and every token of it, ends included, is asked for once: perplexity and
    bits per byte are exact. Needs a family that remembers. Source: Mikolov et al. 2010; Zaremba et al. 2014.

    Its input is B segments of L tokens in a row [T]; the loss is the cross entropy of the T tokens after each, plus
    activation·mean h² over outputs after their dropout and change·mean (hₜ − hₜ₋₁)² before it.

        pretrain: {objective: clm_stream, batch: 20 sequences, sequence_length: 35}
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "clm_stream")
    trains: ClassVar[str] = "clm"
    likelihood: ClassVar[Literal["every", "some"] | None] = "every"
    in_streams: ClassVar[bool] = True

    lengths: Literal["fixed", "random"] = "fixed"
    """fixed: every segment has `sequence_length` tokens; random: lengths are drawn anew each epoch, normal about it, or
    about half of it one time in twenty, with deviation 5, at least 5, and a step's learning rate is in proportion to
    its length (Merity et al. 2018)."""
    activation: float = Field(default=0.0, ge=0)
    """α, the weight of the mean square of the outputs after dropout; AWD-LSTM: 2."""
    change: float = Field(default=0.0, ge=0)
    """β, the weight of the mean square of what outputs change by from token to token; AWD-LSTM: 1."""

    def store(
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> StreamStore:
        from acclimate.batching.streams import StreamStore
        from acclimate.batching.token_store import TokenStore
        from acclimate.tokenizer.template import boundaries

        training = texts.streams is not None
        return StreamStore(
            TokenStore(texts.corpus),
            sequence_length,
            boundaries(tokenizer)[1],
            streams=texts.streams or 1,
            seed=seed if training and self.lengths == "random" else None,
        )

    def build(
        self, *, tokenizer: PreTrainedTokenizerFast, seed: int, fixed: bool = False
    ) -> StreamLanguageModel:
        """The objective. With `fixed`, cross entropy alone over one stream: for validation."""
        if fixed:
            return HeldOutStream()
        return StreamLanguageModel(activation=self.activation, change=self.change)


class StreamLanguageModel:
    """The objective at work, with the memory of the streams."""

    def __init__(self, *, activation: float = 0.0, change: float = 0.0) -> None:
        self._activation, self._change = activation, change
        self._memory: dict[str, torch.Tensor] | None = None

    @property
    def num_terms(self) -> int:
        return 1 + bool(self._activation) + bool(self._change)

    def carried(self) -> dict[str, torch.Tensor]:
        """What is remembered of the streams: [B, …] each."""
        return self._memory or {}

    def carry(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from there."""
        self._memory = {name: one.clone() for name, one in tensors.items()} or None

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The segments, one of each stream."""
        lengths = set(sequences.lengths.tolist())
        if len(lengths) > 1:
            raise ValueError(f"streams go on by the same number of tokens, found {sorted(lengths)}")
        return _packed(sequences)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Targets; then tokens for `activation`, pairs of neighbours for `change`."""
        tokens = float(batch.num_tokens)
        return (
            tokens,
            *([tokens] if self._activation else []),
            *([self._pairs(batch)] if self._change else []),
        )

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over all tokens, and the two regularisers."""
        from acclimate.objectives.tokens import token_loss

        out = self._onward(model, batch)
        loss = token_loss(model, out.hidden, batch)
        others = []
        if self._activation:
            squares = out.hidden.float().square().mean(-1).sum()
            others.append(Loss(squares, float(batch.num_tokens), name="activation", weight=self._activation))
        if self._change:
            outputs = out.hidden if out.undropped is None else out.undropped
            by_stream: Any = outputs.float().view(len(batch.ids), -1, outputs.shape[-1])
            squares = by_stream.diff(dim=1).square().mean(-1).sum()
            others.append(Loss(squares, self._pairs(batch), name="change", weight=self._change))
        return replace(loss, name="tokens" if others else "", others=tuple(others))

    def _onward(self, model: PreTrainedModel, batch: PackedBatch) -> Any:
        """What the model says, which goes on from where it was unless the streams begin."""
        from acclimate.models.forward import encode_onward

        memory = None if bool(batch.by_sequence["begins"].any()) else self._memory
        if memory is not None:
            memory = {name: one.to(batch.tokens.device) for name, one in memory.items()}
        out = encode_onward(model, batch, memory)
        self._memory = out.memory
        return out

    @staticmethod
    def _pairs(batch: PackedBatch) -> float:
        return float(batch.num_tokens - len(batch.ids))


class HeldOutStream(StreamLanguageModel):
    """The objective over a single stream, for measuring: each segment of a batch goes on from the one before it."""

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """The segments in their order."""
        return _packed(sequences)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """Cross entropy in nats, fp32, summed over all tokens; the vocabulary is scored for all segments together."""
        import torch

        from acclimate.objectives.tokens import token_loss

        starts = batch.cu_seqlens.tolist()
        parts = [
            self._onward(model, _segment(batch, number, *starts[number : number + 2])).hidden
            for number in range(len(batch.ids))
        ]
        return token_loss(model, torch.cat(parts), batch)


def _packed(sequences: Sequences) -> PackedBatch:
    """Each token's target is the one after it. Sequences that come from no stream have none after, and begin."""
    places = np.arange(len(sequences.tokens), dtype=np.int64)
    targets = sequences.by_token.get("next", sequences.tokens)
    begins = sequences.by_sequence.get("begins", np.ones(len(sequences), dtype=np.int64))
    told = replace(sequences, by_token={}, by_sequence={"begins": begins})
    return pack(told, target_positions=places, targets=targets)


def _segment(batch: PackedBatch, number: int, start: int, stop: int) -> PackedBatch:
    """One of the batch's, without its targets."""
    return replace(
        batch,
        **{name: getattr(batch, name)[start:stop] for name in ("tokens", "positions", "segments")},
        cu_seqlens=batch.cu_seqlens[number : number + 2] - start,
        ids=batch.ids[number : number + 1],
        by_sequence={"begins": batch.by_sequence["begins"][number : number + 1]},
    )
