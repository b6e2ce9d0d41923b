"""How the conformance suite asks models of two towers, and what makes their batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from family_entry import TEXTS, padded, random_batch, type_of
from torch import Tensor
from transformers import PreTrainedModel

from acclimate.batching.packed import PackedBatch
from acclimate.batching.picture_store import PICTURES, write_captions
from acclimate.models.family import Family
from acclimate.models.forward import match_logits, towers
from acclimate.models.kinds import Kind
from acclimate.objectives.protocol import ObjectiveSettings, Texts

SIDE = 8
PAIRS = {"pairs": {"path": "captions.tsv"}, "image_size": SIDE}
"""Of the objectives; the suite writes the store itself."""
TINY = {
    one: {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    for one in ("text", "vision")
}
TINY = {"text": TINY["text"], "vision": {**TINY["vision"], "patch_size": 4, "image_size": SIDE}, "shared": 12}


def captioned(folder: Path, objective: ObjectiveSettings, tokenizer: Any) -> Texts:
    """TEXTS with two views each of a picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (2 * len(TEXTS), 3, SIDE, SIDE), dtype=np.uint8)
    (folder / PICTURES).write_bytes(pixels.tobytes())
    views = np.arange(2 * len(TEXTS)).reshape(-1, 2)
    write_captions(folder, TEXTS, views, np.arange(len(TEXTS)), tokenizer, SIDE, len(pixels))
    return Texts(folder, folder)


def batch_of(views: int) -> Any:
    """Makes batches with so many views; every text ends with its end token, and that stands nowhere else."""

    def make(family: type[Family], kind: Kind, tokenizer: Any, lengths: Sequence[int]) -> PackedBatch:
        batch = random_batch(family, "encoder", tokenizer, lengths)
        batch.tokens[batch.cu_seqlens[1:] - 1] = tokenizer.sep_token_id
        generator = torch.Generator().manual_seed(0)
        shape = len(lengths), views, 3, SIDE, SIDE
        seen = {
            "images": torch.randint(256, shape, generator=generator, dtype=torch.uint8),
            "views": torch.ones(shape[:2], dtype=torch.bool),
            "items": torch.arange(len(lengths)),
        }
        return replace(batch, by_sequence=seen)

    return make


def similarities(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """Of all texts with all pictures; and what the head says of those that belong together."""
    found = towers(model, batch)
    told = [found.scale * found.texts @ found.images.T]
    return told if kind == "dual" else [*told, _as_classes(match_logits(model, found.texts, found.images))]


def plain_similarities(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """By a call of the model as its users write it."""
    family: Any = type_of(model)
    mean, std = (torch.tensor(one)[:, None, None] for one in (family.channel_mean, family.channel_std))
    pixels = (batch.by_sequence["images"].float() / 255 - mean) / std
    inputs = padded(family, batch)
    out = model(**inputs, pixel_values=pixels[:, 0] if pixels.shape[1] == 1 else pixels)
    if kind == "dual":
        return [out.logits_per_text]
    return [out.logits_per_text, _as_classes(model.matching(out.text_embeds, out.image_embeds))]


def _as_classes(logits: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(logits), logits], -1)
