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
        packing=Packing(batch.cu_seqlens),
    )
    return out.last_hidden_state.squeeze(0)


def before_vocabulary(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """[M, H] → [M, H]: the head but for its projection."""
    return model.cls.predictions.transform(hidden)


def vocabulary(model: PreTrainedModel) -> tuple[Tensor, Tensor | None]:
    """[V, H] and [V]: the projection."""
    decoder = model.cls.predictions.decoder
    return decoder.weight, decoder.bias


def pooled(model: PreTrainedModel, first: Tensor) -> Tensor:
    """[B, H] → [B, H]: the pooler looks at the first token of each sequence."""
    return model.base_model.pooler(first.unsqueeze(1))


def classify(model: PreTrainedModel, pooled: Tensor) -> Tensor:
    """[B, H] → [B, C]"""
    return model.classifier(model.dropout(pooled))
