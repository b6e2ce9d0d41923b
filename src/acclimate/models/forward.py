"""Running a plain Transformers model on a packed batch.

Legend: T tokens in the row, B sequences, M targets, H hidden size, V vocabulary, C classes.
Each family says in a file of its own how its parts are called; here the right one is found by the model's type.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch.nn import functional

from acclimate.batching.packed import PackedBatch
from acclimate.errors import UserError
from acclimate.kernels import native
from acclimate.kernels.vocabulary_loss import vocabulary_loss
from acclimate.models.packed_attention import NAME

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_FAMILIES = {"bert": "acclimate.models.bert_forward"}


class FamilyForward(Protocol):
    """What a family's file offers."""

    def encode(self, model: PreTrainedModel, batch: PackedBatch) -> Tensor: ...
    def before_vocabulary(self, model: PreTrainedModel, hidden: Tensor) -> Tensor: ...
    def vocabulary(self, model: PreTrainedModel) -> tuple[Tensor, Tensor | None]: ...
    def pooled(self, model: PreTrainedModel, first: Tensor) -> Tensor: ...
    def classify(self, model: PreTrainedModel, pooled: Tensor) -> Tensor: ...


def _family(model: PreTrainedModel) -> FamilyForward:
    kind = model.config.model_type
    if kind not in _FAMILIES:
        raise UserError(f"models of type {kind!r} are not supported; supported: {', '.join(_FAMILIES)}")
    if model.config._attn_implementation != NAME:
        raise ValueError("the model was not loaded with packed attention: sequences would see each other")
    return cast(FamilyForward, import_module(_FAMILIES[kind]))


def encode(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Last layer's output [T, H]."""
    return _family(model).encode(model, batch)


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
    return _family(model).pooled(model, _first(encode(model, batch), batch))


def class_logits(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Class scores [B, C] in fp32."""
    return first_logits(model, _first(encode(model, batch), batch))


def first_logits(model: PreTrainedModel, first: Tensor) -> Tensor:
    """Class scores [B, C] in fp32, from the last layer's output at each sequence's first token [B, H]."""
    family = _family(model)
    return family.classify(model, family.pooled(model, first)).float()


def mean_pooled(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Mean of the last layer over each sequence's tokens [B, H], in fp32."""
    return means(encode(model, batch), batch)


def means(hidden: Tensor, batch: PackedBatch) -> Tensor:
    """Mean over each sequence's tokens [B, H], in fp32, of the last layer's output [T, H]."""
    lengths = batch.cu_seqlens.diff()
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=hidden.device), lengths)
    sums = hidden.new_zeros(len(lengths), hidden.shape[1], dtype=torch.float32)
    return sums.index_add_(0, owner, hidden.float()) / lengths.unsqueeze(1)


def _first(hidden: Tensor, batch: PackedBatch) -> Tensor:
    return hidden.index_select(0, batch.cu_seqlens[:-1])
