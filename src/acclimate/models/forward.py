"""Running a plain Transformers model on a packed batch.

Legend: T tokens in the row, B sequences, M targets, H hidden size, V vocabulary, C classes.
Each family says in a file of its own how its parts are called; here the right one is found by the model's type.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

import torch

from acclimate.batching.packed import PackedBatch
from acclimate.errors import UserError
from acclimate.models.packed_attention import NAME

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_FAMILIES = {"bert": "acclimate.models.bert_forward"}


class FamilyForward(Protocol):
    """What a family's file offers."""

    def encode(self, model: PreTrainedModel, batch: PackedBatch) -> Tensor: ...
    def token_logits(self, model: PreTrainedModel, hidden: Tensor) -> Tensor: ...
    def pooled(self, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor: ...
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
    return _family(model).token_logits(model, hidden)


def pooled(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """One vector a sequence [B, H], as the family's own pooler makes it."""
    family = _family(model)
    return family.pooled(model, family.encode(model, batch), batch)


def class_logits(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Class scores [B, C] in fp32."""
    family = _family(model)
    vectors = family.pooled(model, family.encode(model, batch), batch)
    return family.classify(model, vectors).float()


def mean_pooled(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """Mean of the last layer over each sequence's tokens [B, H], in fp32."""
    hidden = encode(model, batch).float()
    lengths = batch.cu_seqlens.diff()
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=hidden.device), lengths)
    sums = hidden.new_zeros(len(lengths), hidden.shape[1]).index_add_(0, owner, hidden)
    return sums / lengths.unsqueeze(1)
