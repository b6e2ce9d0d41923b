"""How ELECTRA's pair of models answers: the generator's guesses, and the discriminator's logits, as of two classes."""

from __future__ import annotations

import torch
from family_entry import mask_of, our_outputs, padded, plain_outputs, type_of
from torch import Tensor
from transformers import PreTrainedModel

from acclimate.batching.packed import PackedBatch
from acclimate.models.forward import encode, replaced_logits
from acclimate.models.kinds import Kind


def ours(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """By packed rows."""
    if kind != "rtd":
        return our_outputs(model, kind, batch)
    return [*our_outputs(model.generator, "mlm", batch), _two(replaced_logits(model, encode(model, batch)))]


def plain(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """By calls of the library's models."""
    if kind != "rtd":
        return plain_outputs(model, kind, batch)
    logits = model.discriminator(**padded(type_of(model), batch)).logits[mask_of(batch.cu_seqlens)]
    return [*plain_outputs(model.generator, "mlm", batch), _two(logits)]


def _two(logits: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(logits), logits], -1)
