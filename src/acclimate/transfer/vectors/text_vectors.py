"""Vectors of texts by a bare encoder, and the files by which others make the same ones.

Legend: N texts, D dimensions of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import pack
from acclimate.batching.sampler import sequential
from acclimate.batching.sequence_store import ExampleStore
from acclimate.models.inference import Inference
from acclimate.objectives.sentence_vectors import LastLayers, pooled_texts, text_vectors
from acclimate.recipe.units import Length

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_BATCH = Length(8192, "tokens")


def vectors_of(
    model: PreTrainedModel,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    pooling: LastLayers,
    *,
    precision: Any,
    device: Any,
) -> NDArray[np.float32]:
    """[N, D] in fp32; equal texts are run once."""
    import torch

    from acclimate.engine.precision import compute_in
    from acclimate.models.forward import width

    distinct: dict[str, int] = {}
    index = np.array([distinct.setdefault(text, len(distinct)) for text in texts], dtype=np.int64)
    store = ExampleStore.from_texts(list(distinct), None, tokenizer, max_length)
    inference = Inference(model.to(device), precision)
    out = np.empty((len(distinct), pooling.width(width(model))), dtype=np.float32)
    nothing = np.zeros(0, dtype=np.int64)
    for ids in sequential(store.lengths, _BATCH, by_length=True):
        batch = pack(store.fetch(ids, np.zeros_like(ids)), target_positions=nothing, targets=nothing)
        batch = batch.to(device)
        if pooling.layers == 1:
            found = pooled_texts(inference.hidden(batch), batch, pooling.tokens)
        else:
            with torch.inference_mode(), compute_in(precision, device):
                found = text_vectors(model, batch, pooling)
        out[ids] = found.cpu().numpy()
    return out[index]


def note_pooling(model: PreTrainedModel, pooling: LastLayers) -> None:
    """Write into the configuration how a text's vector is made; Transformers keeps what it does not know."""
    model.config.sentence_vector = {
        "pooling": pooling.tokens,
        "layers": pooling.layers,
        "join": pooling.join,
    }


def sentence_transformers_files(folder: Path, pooling: LastLayers, hidden: int, max_length: int) -> None:
    """Make a model's folder one that sentence-transformers loads: its list of modules, and how tokens are pooled.

    Only for vectors of the last layer; it has no pooling of several layers side by side.
    """
    from acclimate.artifacts.durable import new_folder, write_json

    if pooling.layers != 1:
        return
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    write_json(
        folder / "modules.json",
        [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for at, (path, kind) in enumerate(modules)
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    names: dict[Literal["mean", "cls", "max"], str] = {
        "cls": "cls_token",
        "mean": "mean_tokens",
        "max": "max_tokens",
    }
    modes = {f"pooling_mode_{name}": pooling.tokens == ours for ours, name in names.items()}
    write_json(
        new_folder(folder / "1_Pooling") / "config.json", {"word_embedding_dimension": hidden, **modes}
    )
