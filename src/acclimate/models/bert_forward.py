"""BERT on packed rows: which of its modules make what. Legend as in `forward`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from acclimate.batching.packed import PackedBatch
from acclimate.models.packing import Packing

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def encode(model: PreTrainedModel, batch: PackedBatch) -> Tensor:
    """[T, H]"""
    out = model.base_model(
        input_ids=batch.tokens[None],
        position_ids=batch.positions[None],
        token_type_ids=batch.segments[None],
        packing=Packing.of(batch.cu_seqlens),
    )
    return out.last_hidden_state.squeeze(0)


def token_logits(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """[M, H] → [M, V]"""
    return model.cls(hidden)


def pooled(model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
    """[B, H]: the pooler looks at the first token of each sequence."""
    first = hidden.index_select(0, batch.cu_seqlens[:-1])
    return model.base_model.pooler(first.unsqueeze(1))


def classify(model: PreTrainedModel, pooled: Tensor) -> Tensor:
    """[B, H] → [B, C]"""
    return model.classifier(model.dropout(pooled))
