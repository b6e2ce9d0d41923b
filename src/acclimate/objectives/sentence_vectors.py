"""What objectives that learn vectors of sentences share: pairs of texts, each read alone, and one vector of each.

Legend: T tokens in the row, B pairs, H hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import mix
from acclimate.batching.packed import PackedBatch, Sequences, pack, positions_in
from acclimate.batching.pair_store import Ends
from acclimate.objectives.parallel_data import ParallelData
from acclimate.objectives.protocol import Loss

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Pooling = Literal["mean", "cls", "max"]


@dataclass(frozen=True)
class LastLayers:
    """A text's vector made of more layers than the last."""

    tokens: Pooling = "mean"
    """How the vectors of its tokens become one."""
    layers: int = 1
    """How many of the last layers go in."""
    join: Literal["concat", "mean"] = "concat"
    """Whether they stand side by side, or their mean is taken."""

    def width(self, hidden: int) -> int:
        """Dimensions of a vector, of a model whose layers have so many."""
        return hidden * (self.layers if self.join == "concat" else 1)


class SentenceVectors(ParallelData):
    """Pairs of texts that a bare encoder reads one by one: [T, H] → one vector a text [2B, H]."""

    trains: ClassVar[str] = "encoder"
    likelihood: ClassVar[Literal["every", "some"] | None] = None

    pooling: Pooling = "mean"
    """What a text's vector is: the `mean` of its tokens' vectors, special tokens among them, that of its first token
    (`cls`), or the largest value of each dimension (`max`). Reimers and Gurevych 2019 found `mean` best."""

    def ends(self, tokenizer: PreTrainedTokenizerFast) -> tuple[Ends, Ends]:
        from acclimate.tokenizer.template import boundaries

        first, last = boundaries(tokenizer)
        return ((first,), (last,)), ((first,), (last,))

    def room(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.maximum(source, target)

    def marked(self, number: int) -> NDArray[np.float64]:
        """[B] marks such as pairs may bear, for a dry batch."""
        return np.zeros(number)

    def stand_in(self, sequences: Sequences) -> Sequences:
        """The second half of each is its other text."""
        marks = {} if self.mark is None else {"marks": self.marked(len(sequences))}
        return replace(super().stand_in(sequences), by_sequence=marks)


class SentenceObjective:
    """What the objectives at work share. Nothing is drawn at random but the model's dropout."""

    num_terms = 1

    def __init__(self, pooling: Pooling | LastLayers, *, twins: bool = False) -> None:
        """With `twins` a sequence is one text, which is read twice."""
        self._pooling = pooling
        self._twins = twins

    def prepare(self, sequences: Sequences) -> PackedBatch:
        """Texts as 2B sequences of their own, each pair's side by side; `texts` [B, 2] are equal where texts are."""
        apart = doubled(sequences) if self._twins else halved(sequences)
        keys = text_keys(apart).reshape(-1, 2)
        batch = pack(
            replace(apart, by_sequence={**sequences.by_sequence, "texts": keys}),
            target_positions=apart.cu_seqlens[:-1:2],
            targets=np.arange(len(sequences)),
        )
        return replace(batch, ids=sequences.ids)

    def count(self, batch: PackedBatch) -> tuple[float, ...]:
        """Number of pairs."""
        return (float(len(batch.ids)),)

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The sum over pairs."""
        import torch

        vectors = text_vectors(model, batch, self._pooling)
        with torch.autocast(vectors.device.type, enabled=False):
            each = self.losses(model, vectors[::2], vectors[1::2], batch)
        return Loss(
            sum=each.sum(), count=float(len(each)), per_sequence=each.detach(), counts=torch.ones_like(each)
        )

    def losses(self, model: PreTrainedModel, first: Tensor, second: Tensor, batch: PackedBatch) -> Tensor:
        """[B] the loss of each pair, of its texts' vectors [B, H] and [B, H], fp32."""
        raise NotImplementedError


def halved(sequences: Sequences) -> Sequences:
    """Segments 0 and 1 of each sequence as two sequences."""
    owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
    second = np.bincount(owner[sequences.segments == 1], minlength=len(sequences))
    starts = np.stack([sequences.cu_seqlens[:-1], sequences.cu_seqlens[1:] - second], axis=1).ravel()
    return _with_two(sequences, sequences.tokens, np.append(starts, sequences.cu_seqlens[-1]))


def doubled(sequences: Sequences) -> Sequences:
    """Each sequence twice."""
    lengths = np.repeat(sequences.lengths, 2)
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.repeat(sequences.cu_seqlens[:-1], 2)
    places = np.arange(cu_seqlens[-1]) + np.repeat(starts - cu_seqlens[:-1], lengths)
    return _with_two(sequences, sequences.tokens[places], cu_seqlens)


def _with_two(sequences: Sequences, tokens: NDArray[np.int64], cu_seqlens: NDArray[np.int64]) -> Sequences:
    return replace(
        sequences,
        tokens=tokens,
        cu_seqlens=cu_seqlens.astype(np.int64),
        segments=np.zeros_like(tokens),
        ids=np.repeat(sequences.ids, 2),
        epochs=np.repeat(sequences.epochs, 2),
        by_token={},
    )


def text_keys(sequences: Sequences) -> NDArray[np.int64]:
    """[B] a number for each text, 64 bits, the same for equal texts."""
    if not len(sequences.tokens):
        return np.zeros(len(sequences), np.int64)
    places = positions_in(sequences.cu_seqlens).astype(np.uint64)
    bits = mix(sequences.tokens.astype(np.uint64) << np.uint64(32) | places)
    return np.add.reduceat(bits, sequences.cu_seqlens[:-1]).view(np.int64)


def text_vectors(model: PreTrainedModel, batch: PackedBatch, pooling: Pooling | LastLayers) -> Tensor:
    """One vector a sequence, in fp32."""
    from acclimate.models.forward import encode, encode_last

    if not isinstance(pooling, LastLayers):
        return pooled_texts(encode(model, batch), batch, pooling)
    if pooling.layers == 1:
        return pooled_texts(encode(model, batch), batch, pooling.tokens)
    hidden = encode_last(model, batch, pooling.layers)
    if pooling.join == "mean":
        hidden = hidden.view(len(hidden), pooling.layers, -1).mean(dim=1)
    return pooled_texts(hidden, batch, pooling.tokens)


def pooled_texts(hidden: Tensor, batch: PackedBatch, pooling: Pooling) -> Tensor:
    """One vector a sequence, in fp32, of the vectors of its tokens [T, H]."""
    import torch

    from acclimate.models.forward import means

    if pooling == "mean":
        return means(hidden, batch)
    if pooling == "cls":
        return hidden.index_select(0, batch.cu_seqlens[:-1]).float()
    lengths: Any = batch.cu_seqlens.diff()
    return torch.segment_reduce(hidden.float(), "max", lengths=lengths)


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """[N, M] of every vector of the first [N, H] with every vector of the second [M, H]."""
    from torch.nn.functional import normalize

    return normalize(first, dim=1) @ normalize(second, dim=1).T
