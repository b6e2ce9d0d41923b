"""XLNet in the conformance suite: rows padded on the left, as its users do, and an order of what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from family_entry import mask_of, random_batch
from torch import Tensor
from transformers import PreTrainedModel

from acclimate.batching.packed import PackedBatch
from acclimate.models.family import Family
from acclimate.models.kinds import Kind


def ordered_batch(family: type[Family], kind: Kind, tokenizer: Any, lengths: Sequence[int]) -> PackedBatch:
    """Tokens at random; with the kind `perm` a third of each sequence is asked for, in an order of its own."""
    batch = random_batch(family, kind, tokenizer, lengths)
    if kind != "perm":
        return batch
    generator = torch.Generator().manual_seed(4)
    order = torch.zeros(batch.num_tokens, dtype=torch.long)
    for start, length in zip(batch.cu_seqlens.tolist(), lengths, strict=False):
        asked = torch.randperm(length, generator=generator)[: length // 3]
        order[start + asked] = 1 + torch.arange(len(asked))
    places = order.nonzero().squeeze(1)
    targets = torch.randint(5, len(tokenizer), (len(places),), generator=generator)
    return replace(batch, by_token={"order": order}, target_positions=places, targets=targets)


def plain_outputs(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """By a call of the library's model on rows padded on the left; masks and maps of the order are built one by one."""
    real = mask_of(batch.cu_seqlens).flip(1)
    inputs = {"input_ids": left(batch.tokens, real), "token_type_ids": left(batch.segments, real)}
    inputs["attention_mask"] = real.long()
    if kind == "perm":
        order = left(batch.by_token["order"], real)
        sequences, length = real.shape
        asked = [
            [(order[b] == k).nonzero().item() for k in range(1, int(order[b].max()) + 1)]
            for b in range(sequences)
        ]
        most = max(map(len, asked))
        inputs["perm_mask"] = torch.zeros(sequences, length, length)
        inputs["target_mapping"] = torch.zeros(sequences, most, length)
        for b, places in enumerate(asked):
            for number, place in enumerate(places):
                inputs["target_mapping"][b, number, place] = 1
                hidden_from = [i for i in range(length) if i not in places[number + 1 :]]
                inputs["perm_mask"][b, hidden_from, place] = 1
        logits = model(**inputs).logits
        found = {
            (b, place): logits[b, number]
            for b, places in enumerate(asked)
            for number, place in enumerate(places)
        }
        return [torch.stack([found[place] for place in sorted(found)])]
    out = model(**inputs)
    if kind == "encoder":
        return [out.last_hidden_state[real]]
    if kind == "spans":
        return [torch.stack([out.start_logits, out.end_logits], dim=-1)[real]]
    return [out.logits if kind == "classification" else out.logits[real][batch.target_positions]]


def left(row: Tensor, real: Tensor) -> Tensor:
    """[T] → [B, longest]"""
    out = torch.zeros(real.shape, dtype=row.dtype)
    out[real] = row
    return out
