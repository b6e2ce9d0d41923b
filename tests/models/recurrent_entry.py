"""How the conformance suite asks recurrent families: text in streams, and language models of both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from family_entry import corpus, mask_of, padded, plain_outputs, type_of
from torch import Tensor
from transformers import PreTrainedModel

from acclimate.batching.packed import PackedBatch
from acclimate.models.forward import class_logits, encode, token_logits
from acclimate.models.kinds import Kind
from acclimate.objectives.protocol import ObjectiveSettings, Texts

TINY = {"num_hidden_layers": 2, "embedding_size": 16, "hidden_size": 16}
TINY_ELMO = {"cell_size": 24, "hidden_size": 12, "highways": 1, "filters": [[1, 8], [2, 8], [3, 16]]}


def streams(folder: Path, objective: ObjectiveSettings, tokenizer: Any) -> Texts:
    """The texts as eight streams, for objectives that read them so."""
    return Texts(corpus(folder, objective, tokenizer).corpus, streams=8)


def both_ways(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    """Of a language model of both directions the scores of each."""
    if kind == "classification":
        return [class_logits(model, batch)]
    hidden = encode(model, batch)
    if kind == "encoder":
        return [hidden]
    return [token_logits(model, one[batch.target_positions]) for one in hidden.chunk(2, dim=-1)]


def plain_both_ways(model: PreTrainedModel, kind: Kind, batch: PackedBatch) -> list[Tensor]:
    if kind != "bilm":
        return plain_outputs(model, kind, batch)
    out, real = model(**padded(type_of(model), batch)), mask_of(batch.cu_seqlens)
    assert torch.is_tensor(out.backward_logits)
    return [one[real][batch.target_positions] for one in (out.logits, out.backward_logits)]
