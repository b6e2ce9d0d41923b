"""Checkpoints of UER-py and TencentPretrain (Zhao et al. 2019, 2022): BERT, ALBERT and GPT-2, old names and new.

They embed three segments, of which the first is padding's: Transformers' models have the other two. Their older
LayerNorm divides by the unbiased deviation, a difference of 1/(2·width) that no Transformers model knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from acclimate.models.importing.foreign import Foreign, Rule, heads_of, layers, numbered

if TYPE_CHECKING:
    from torch import Tensor

_RENAMED = (
    (r"embedding\.word_embedding\.", "embedding.word.embedding."),
    (r"embedding\.position_embedding\.", "embedding.pos.embedding."),
    (r"embedding\.segment_embedding\.", "embedding.seg.embedding."),
    (r"target\.mlm_linear_([12])\.", r"target.mlm.linear_\1."),
    (r"target\.layer_norm\.", "target.mlm.layer_norm."),
    (r"target\.(?:n|so)?sp_linear_([12])\.", r"target.sp.linear_\1."),
    (r"target\.sop_linear_([12])\.", r"target.sp.linear_\1."),
    (r"target\.output_layer\.", "target.lm.output_layer."),
)
"""The older spelling of a name's beginning → the newer."""
_PARTS = {
    r"self_attn\.linear_layers\.0": "attention.self.query",
    r"self_attn\.linear_layers\.1": "attention.self.key",
    r"self_attn\.linear_layers\.2": "attention.self.value",
    r"self_attn\.final_linear": "attention.output.dense",
    "layer_norm_1": "attention.output.LayerNorm",
    r"feed_forward\.linear_1": "intermediate.dense",
    r"feed_forward\.linear_2": "output.dense",
    "layer_norm_2": "output.LayerNorm",
}
_SHARED = {
    r"self_attn\.linear_layers\.0": "attention.query",
    r"self_attn\.linear_layers\.1": "attention.key",
    r"self_attn\.linear_layers\.2": "attention.value",
    r"self_attn\.final_linear": "attention.dense",
    "layer_norm_1": "attention.LayerNorm",
    r"feed_forward\.linear_1": "ffn",
    r"feed_forward\.linear_2": "ffn_output",
    "layer_norm_2": "full_layer_layer_norm",
}
_ACTIVATIONS = {"gelu_fast": "gelu_new"}
_GPT = r"encoder\.transformer\.(\d+)"


def recognised(names: Mapping[str, Any]) -> str | None:
    """The type of the model whose weights these are; None: nothing known."""
    if not any(name.startswith("encoder.transformer.") for name in names):
        return None
    if any(name.startswith("encoder.transformer.self_attn.") for name in names):
        return "albert"
    return "gpt2" if "encoder.layer_norm.gamma" in names or "encoder.layer_norm.weight" in names else "bert"


def convert(tensors: Mapping[str, Tensor], model_type: str, settings: Mapping[str, Any]) -> list[Foreign]:
    """The model. settings: what its JSON of hyper-parameters says; empty where there is none, and shapes tell."""
    model = Foreign(model_type, {})
    model.in_body = lambda name: name.startswith(("embedding.", "encoder."))
    called = {_renewed(name): name for name in tensors}
    weights = {new: tensors[old] for new, old in called.items()}
    if model_type == "gpt2":
        weights = _joined(weights, model)
    model.take(weights, {"bert": _bert, "albert": _albert, "gpt2": _gpt2}[model_type]())
    model.origins = {
        ours: called.get(theirs, theirs.replace(".joined.", ".self_attn.linear_layers.*."))
        for ours, theirs in model.origins.items()
    }
    model.unexpected = [called.get(name, name) for name in model.unexpected]
    model.config = _config(model, settings)
    return [model]


def _renewed(name: str) -> str:
    for old, new in _RENAMED:
        name, changed = re.subn(f"^{old}", new, name)
        if changed:
            break
    return name


def _without_padding(table: Tensor) -> Tensor:
    return table[1:] if len(table) > 2 else table


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.t() if tensor.dim() == 2 else tensor


def _embeddings(ours: str) -> list[Rule]:
    return [
        Rule(r"embedding\.word\.embedding\.weight", f"{ours}.embeddings.word_embeddings.weight"),
        Rule(r"embedding\.pos\.embedding\.weight", f"{ours}.embeddings.position_embeddings.weight"),
        Rule(
            r"embedding\.seg\.embedding\.weight",
            f"{ours}.embeddings.token_type_embeddings.weight",
            _without_padding,
        ),
        *layers({r"embedding\.layer_norm": f"{ours}.embeddings.LayerNorm"}),
    ]


def _bert() -> list[Rule]:
    pairs = {rf"{_GPT}\.{theirs}": rf"bert.encoder.layer.\1.{ours}" for theirs, ours in _PARTS.items()}
    pairs |= {
        r"target\.sp\.linear_1": "bert.pooler.dense",
        r"target\.sp\.linear_2": "cls.seq_relationship",
        r"target\.mlm\.linear_1": "cls.predictions.transform.dense",
        r"target\.mlm\.layer_norm": "cls.predictions.transform.LayerNorm",
    }
    return [
        *_embeddings("bert"),
        *layers(pairs),
        Rule(r"target\.mlm\.linear_2\.weight", "cls.predictions.decoder.weight"),
        Rule(r"target\.mlm\.linear_2\.bias", "cls.predictions.bias"),
    ]


def _albert() -> list[Rule]:
    one = "albert.encoder.albert_layer_groups.0.albert_layers.0"
    pairs = {rf"encoder\.transformer\.{theirs}": f"{one}.{ours}" for theirs, ours in _SHARED.items()}
    pairs |= {
        r"encoder\.linear": "albert.encoder.embedding_hidden_mapping_in",
        r"target\.sp\.linear_1": "albert.pooler",
        r"target\.sp\.linear_2": "sop_classifier.classifier",
        r"target\.mlm\.linear_1": "predictions.dense",
        r"target\.mlm\.layer_norm": "predictions.LayerNorm",
    }
    return [
        *_embeddings("albert"),
        *layers(pairs),
        Rule(r"target\.mlm\.linear_2\.weight", "predictions.decoder.weight"),
        Rule(r"target\.mlm\.linear_2\.bias", "predictions.bias"),
    ]


def _gpt2() -> list[Rule]:
    turned = {r"self_attn\.final_linear": "attn.c_proj", r"feed_forward\.linear_1": "mlp.c_fc"}
    turned |= {r"feed_forward\.linear_2": "mlp.c_proj", "joined": "attn.c_attn"}
    return [
        Rule(r"embedding\.word\.embedding\.weight", "transformer.wte.weight"),
        Rule(r"embedding\.pos\.embedding\.weight", "transformer.wpe.weight"),
        *(
            Rule(rf"{_GPT}\.{theirs}\.(weight|bias)", rf"transformer.h.\1.{ours}.\2", _transposed)
            for theirs, ours in turned.items()
        ),
        *layers({rf"{_GPT}\.layer_norm_([12])": r"transformer.h.\1.ln_\2"}),
        *layers({r"encoder\.layer_norm": "transformer.ln_f"}),
        Rule(r"target\.lm\.output_layer\.weight", "lm_head.weight"),
    ]


def _joined(weights: dict[str, Tensor], model: Foreign) -> dict[str, Tensor]:
    """Query, key and value as one projection, as GPT-2 has them."""
    import torch

    found = dict(weights)
    for number in range(numbered(weights, rf"{_GPT}\.")):
        for leaf in ("weight", "bias"):
            start = f"encoder.transformer.{number}"
            three = [f"{start}.self_attn.linear_layers.{part}.{leaf}" for part in range(3)]
            if all(name in weights for name in three):
                found[f"{start}.joined.{leaf}"] = torch.cat([found.pop(name) for name in three])
    return found


def _config(model: Foreign, settings: Mapping[str, Any]) -> dict[str, Any]:
    shapes = {name: tuple(one.shape) for name, one in model.weights.items()}
    act = settings.get("hidden_act", "gelu" if model.model_type == "bert" else "gelu_fast")
    act = _ACTIVATIONS.get(act, act)
    hidden = int(settings.get("hidden_size", 0))
    if model.model_type == "gpt2":
        words, positions = shapes.get("transformer.wte.weight"), shapes.get("transformer.wpe.weight")
        hidden = hidden or (words or (0, 0))[1]
        inner = shapes.get("transformer.h.0.mlp.c_fc.bias")
        return {
            "n_layer": numbered(shapes, r"transformer\.h\.(\d+)"),
            "n_embd": hidden,
            "n_head": settings.get("heads_num") or heads_of(hidden, model.notes),
            "activation_function": act,
            **({} if words is None else {"vocab_size": words[0]}),
            **({} if positions is None else {"n_positions": positions[0]}),
            **({} if inner is None else {"n_inner": inner[0]}),
            "tie_word_embeddings": "lm_head.weight" not in model.weights,
        }
    start = f"{model.model_type}.embeddings"
    first = {
        "bert": "bert.encoder.layer.0.intermediate.dense.weight",
        "albert": "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight",
    }[model.model_type]
    inner = shapes.get(first)
    values: dict[str, Any] = {"hidden_act": act}
    for table, value in (
        ("word", "vocab_size"),
        ("position", "max_position_embeddings"),
        ("token_type", "type_vocab_size"),
    ):
        if (found := shapes.get(f"{start}.{table}_embeddings.weight")) is not None:
            values[value] = found[0]
            if model.model_type == "albert" and table == "word":
                values["embedding_size"] = found[1]
    if inner is not None:
        values |= {"intermediate_size": inner[0], "hidden_size": inner[1]}
        hidden = hidden or inner[1]
    layers_num = settings.get("layers_num")
    if model.model_type == "bert":
        layers_num = numbered(shapes, r"bert\.encoder\.layer\.(\d+)")
    elif layers_num is None:
        layers_num = 12
        model.notes.append("nothing tells how often the shared layer runs: 12 times taken")
    values["num_hidden_layers"] = int(layers_num)
    values["num_attention_heads"] = int(settings.get("heads_num") or heads_of(hidden, model.notes))
    return values
