"""How the conformance suite asks families whose heads look at the last token, or that write a row of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from family_entry import mask_of, padded, plain_outputs, random_batch, spread, type_of
from torch import Tensor
from transformers import PreTrainedModel

from acclimate.batching.packed import PackedBatch
from acclimate.models.family import Family
from acclimate.models.kinds import Kind


def written_batch(family: type[Family], kind: Kind, tokenizer: Any, lengths: Sequence[int]) -> PackedBatch:
    """Tokens at random, and a decoder's row of other lengths; to classify, sequences end as the tokenizer ends them."""
    seq2seq = kind == "encoder" and "seq2seq" in family.kinds
    batch = random_batch(family, "seq2seq" if seq2seq else kind, tokenizer, lengths)
    if kind != "classification":
        return batch
    tokens = batch.tokens.clone()
    tokens[batch.cu_seqlens[1:] - 1] = tokenizer.sep_token_id
    return replace(batch, tokens=tokens)


def last_token_outputs(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """As users call the library's model; to classify it must be able to tell padding from text."""
    if kind != "classification":
        return plain_outputs(model, kind, batch)
    inputs = padded(type_of(model), batch)
    real = mask_of(batch.cu_seqlens)
    inputs["input_ids"] = torch.where(real, spread(batch.tokens, real), model.config.pad_token_id)
    return [model(**inputs).logits]
