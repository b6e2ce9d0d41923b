"""Running a plain Transformers model on a packed batch.

Legend: T tokens in the row, B sequences, M targets, H hidden size, V vocabulary, C classes.
Each family says in its own file how its parts are called (`family.py`); it is found by the model's type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from acclimate.batching.packed import PackedBatch
from acclimate.kernels import native
from acclimate.kernels.vocabulary_loss import vocabulary_loss
from acclimate.models.finding import family_of
from acclimate.models.packed_attention import NAME

OWN_READER = "vector_head"
"""Where a model has a head that makes its own vectors of a batch, and is asked instead of the family's."""

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.models.family import Family
    from acclimate.models.onward import Memory, Onward
    from acclimate.models.two_towers import Towers


def _family(model: PreTrainedModel) -> type[Family]:
    family = family_of(model.config)
    if family.packed and model.config._attn_implementation != NAME:
        raise ValueError("the model was not loaded with packed attention: sequences would see each other")
    return family


def encode(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Last layer's output [T, H]; of an encoder-decoder that of the decoder, [decoder's T, H]."""
    return _family(model).encode(model, batch)


def encode_last(model: PreTrainedModel, batch: PackedBatch, number: int) -> Tensor:
    """Output of the last so many layers side by side [T, number · H]."""
    return _family(model).encode_last(model, batch, number)


def encode_onward(model: PreTrainedModel, batch: PackedBatch, memory: Memory | None) -> Onward:
    """The next stretch of B streams of text, of a family that remembers (`Family.onward`)."""
    return _family(model).onward(model, batch, memory)


def width(model: PreTrainedModel) -> int:
    """H, the size of the last layer's output."""
    return family_of(model.config).width(model.config)


def token_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Vocabulary scores [M, V] of chosen places' output [M, H]; the projection is paid for these places only."""
    family = _family(model)
    return functional.linear(family.before_vocabulary(model, hidden), *family.vocabulary(model))


def token_losses(model: PreTrainedModel, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy in nats of the targets [M] at chosen places' output [M, H]: the sum, and each [M] (detached)."""
    family = _family(model)
    weight, bias = family.vocabulary(model)
    if weight.dtype == torch.float32 and native.takes(hidden):
        return vocabulary_loss(family.before_vocabulary(model, hidden), weight, bias, targets)
    each = functional.cross_entropy(token_logits(model, hidden).float(), targets, reduction="none")
    return each.sum(), each.detach()


def pooled(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """One vector a sequence [B, H], as the family's own pooler makes it."""
    return _family(model).pooled(model, encode(model, batch), batch)


def pair_logits(model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
    """Scores of pairs of texts [B, 2 or 3] in fp32, of the last layer's output [T, H]."""
    family = _family(model)
    return family.pair_scores(model, family.pooled(model, hidden, batch)).float()


def replaced_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Logits of a token's not being the original one [T] in fp32, of the last layer's output [T, H]."""
    return _family(model).replaced(model, hidden).float()


def class_logits(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Class scores [B, C] in fp32."""
    own = getattr(model, OWN_READER, None)
    if own is not None:
        return own(model, batch).float()
    family = _family(model)
    return family.classify(model, family.pooled(model, family.encode(model, batch), batch)).float()


def token_class_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Class scores [M, C] in fp32 of chosen places' output [M, H]."""
    return _family(model).classify_tokens(model, hidden).float()


def span_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Scores [T, 2] in fp32 of an answer's beginning and ending at each token, of the last layer's output [T, H]."""
    return _family(model).find_spans(model, hidden).float()


def towers(model: PreTrainedModel, batch: PackedBatch) -> Towers:
    """A batch's texts and images in the space that both towers share, in fp32; of models of two towers."""
    return _family(model).towers(model, batch)  # type: ignore[attr-defined, no-any-return]


def match_logits(model: PreTrainedModel, texts: Tensor, images: Tensor) -> Tensor:
    """Logits [N] in fp32 that unit vectors [N, P] of texts and images belong together."""
    return _family(model).matches(model, texts, images).float()  # type: ignore[attr-defined, no-any-return]


def mean_pooled(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Mean of the last layer over each sequence's tokens [B, H], in fp32."""
    return means(encode(model, batch), batch)


def means(hidden: Tensor, batch: PackedBatch) -> Tensor:
    """Mean over each sequence's tokens [B, H], in fp32, of the last layer's output [T, H]."""
    lengths = batch.cu_seqlens.diff()
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=hidden.device), lengths)
    sums = hidden.new_zeros(len(lengths), hidden.shape[1], dtype=torch.float32)
    return sums.index_add_(0, owner, hidden.float()) / lengths.unsqueeze(1)
