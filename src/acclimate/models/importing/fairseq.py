"""Checkpoints of fairseq (Ott et al. 2019): RoBERTa, XLM-R and CamemBERT; BART and mBART.

Their layers bear Transformers' names or near ones. Older files hold query, key and value in one projection
(`in_proj_weight`); RoBERTa has no token types, of which Transformers wants one: a row of zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from acclimate.models.importing.foreign import Foreign, Rule, heads_of, layers, numbered

if TYPE_CHECKING:
    from torch import Tensor

_IGNORED = re.compile(r"(.*\.)?(version|_float_tensor)")
_ENCODER = r"(?:encoder|decoder)\.sentence_encoder"
_HEAD = r"(?:encoder|decoder)\.lm_head"
_IN = "q_proj", "k_proj", "v_proj"
ROBERTAS = ("roberta", "xlm-roberta", "camembert")


def recognised(names: Mapping[str, Any]) -> str | None:
    """The type of the model whose weights these are; None: nothing known."""
    if any(re.match(_ENCODER, name) for name in names):
        return "roberta"
    if "encoder.embed_tokens.weight" in names and "decoder.embed_tokens.weight" in names:
        return "mbart" if "encoder.layer_norm.weight" in names else "bart"
    return None


def settings_in(loaded: Any) -> dict[str, Any]:
    """What the file says of the model, `args` of older files and `cfg.model` of newer ones, as far as it is plain."""

    def plain(bag: Any) -> dict[str, Any]:
        if isinstance(bag, Mapping):
            return dict(bag)
        return dict(vars(bag)) if hasattr(bag, "__dict__") else {}

    if not isinstance(loaded, Mapping):
        return {}
    return {**plain(loaded.get("args")), **plain(plain(loaded.get("cfg")).get("model"))}


def convert(tensors: Mapping[str, Tensor], model_type: str, settings: Mapping[str, Any]) -> list[Foreign]:
    """The model. settings: as `settings_in` finds them; shapes tell the rest."""
    model = Foreign(model_type, {}, ignored=[name for name in tensors if _IGNORED.fullmatch(name)])
    weights, whole = _split({name: one for name, one in tensors.items() if name not in model.ignored})
    if model_type in ROBERTAS:
        model.in_body = lambda name: re.match(_ENCODER, name) is not None
        model.take(weights, _roberta())
        _no_token_types(model)
        model.config = _roberta_config(model, settings)
    else:
        model.in_body = lambda name: name.startswith(("encoder.", "decoder."))
        model.take(_one_embedding(weights, model), _bart())
        model.config = _bart_config(model, settings)
        _no_bias(model)
    model.origins = {ours: whole.get(theirs, theirs) for ours, theirs in model.origins.items()}
    return [model]


def _split(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """With joined projections in three; and of each third the name of the whole."""
    found, whole = {}, {}
    for name, tensor in tensors.items():
        start, joined, leaf = name.rpartition("in_proj_")
        if not joined or len(tensor) % 3:
            found[name] = tensor
            continue
        for part, third in zip(_IN, tensor.chunk(3), strict=True):
            found[f"{start}{part}.{leaf}"] = third
            whole[f"{start}{part}.{leaf}"] = name
    return found, whole


def _roberta() -> list[Rule]:
    start, layer = "roberta.embeddings", rf"{_ENCODER}\.layers\.(\d+)"
    ours = r"roberta.encoder.layer.\1"
    return [
        Rule(rf"{_ENCODER}\.embed_tokens\.weight", f"{start}.word_embeddings.weight"),
        Rule(rf"{_ENCODER}\.embed_positions\.weight", f"{start}.position_embeddings.weight"),
        *layers(
            {
                rf"{_ENCODER}\.(?:emb_layer_norm|layernorm_embedding)": f"{start}.LayerNorm",
                rf"{layer}\.self_attn\.q_proj": f"{ours}.attention.self.query",
                rf"{layer}\.self_attn\.k_proj": f"{ours}.attention.self.key",
                rf"{layer}\.self_attn\.v_proj": f"{ours}.attention.self.value",
                rf"{layer}\.self_attn\.out_proj": f"{ours}.attention.output.dense",
                rf"{layer}\.self_attn_layer_norm": f"{ours}.attention.output.LayerNorm",
                rf"{layer}\.fc1": f"{ours}.intermediate.dense",
                rf"{layer}\.fc2": f"{ours}.output.dense",
                rf"{layer}\.final_layer_norm": f"{ours}.output.LayerNorm",
                rf"{_HEAD}\.(dense|layer_norm)": r"lm_head.\1",
                r"classification_heads\.[^.]+\.(dense|out_proj)": r"classifier.\1",
            }
        ),
        Rule(rf"{_HEAD}\.weight", "lm_head.decoder.weight"),
        Rule(rf"{_HEAD}\.bias", "lm_head.bias"),
    ]


def _no_token_types(model: Foreign) -> None:
    words = model.weights.get("roberta.embeddings.word_embeddings.weight")
    if words is not None:
        zeros = words.new_zeros(1, words.shape[1])
        model.put(
            "roberta.embeddings.token_type_embeddings.weight", zeros, "zeros: fairseq has no token types"
        )


def _roberta_config(model: Foreign, settings: Mapping[str, Any]) -> dict[str, Any]:
    shapes = {name: tuple(one.shape) for name, one in model.weights.items()}
    words = shapes.get("roberta.embeddings.word_embeddings.weight", (0, 0))
    inner = shapes.get("roberta.encoder.layer.0.intermediate.dense.bias", (0,))
    values = {
        "vocab_size": words[0],
        "hidden_size": words[1],
        "num_hidden_layers": numbered(shapes, r"roberta\.encoder\.layer\.(\d+)"),
        "intermediate_size": inner[0],
        "num_attention_heads": settings.get("encoder_attention_heads") or heads_of(words[1], model.notes),
        "max_position_embeddings": shapes.get("roberta.embeddings.position_embeddings.weight", (514,))[0],
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "hidden_act": settings.get("activation_fn", "gelu"),
        "hidden_dropout_prob": settings.get("dropout", 0.1),
        "attention_probs_dropout_prob": settings.get("attention_dropout", 0.1),
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    if (classes := shapes.get("classifier.out_proj.bias")) is not None:
        values["num_labels"] = classes[0]
    return values


def _one_embedding(weights: dict[str, Tensor], model: Foreign) -> dict[str, Tensor]:
    """Encoder, decoder and projection share one table; copies of it are left out."""
    import torch

    table = weights.get("encoder.embed_tokens.weight")
    copies = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
    same = [
        name for name in copies if name in weights and table is not None and torch.equal(weights[name], table)
    ]
    model.ignored += same
    return {name: one for name, one in weights.items() if name not in same}


def _bart() -> list[Rule]:
    attention = r"(encoder|decoder)\.layers\.(\d+)\.(self_attn|encoder_attn)\.([qkv]_proj|out_proj)"
    return [
        Rule(r"encoder\.embed_tokens\.weight", "model.shared.weight"),
        Rule(r"(encoder|decoder)\.embed_positions\.weight", r"model.\1.embed_positions.weight"),
        *layers(
            {
                attention: r"model.\1.layers.\2.\3.\4",
                r"(encoder|decoder)\.layers\.(\d+)\.(\w+_layer_norm|fc1|fc2)": r"model.\1.layers.\2.\3",
                r"(encoder|decoder)\.(layernorm_embedding|layer_norm)": r"model.\1.\2",
            }
        ),
        Rule(r"decoder\.output_projection\.weight", "lm_head.weight"),
    ]


def _no_bias(model: Foreign) -> None:
    words = model.weights.get("model.shared.weight")
    if words is not None:
        model.put("final_logits_bias", words.new_zeros(1, words.shape[0]), "zeros: fairseq has no such bias")


def _bart_config(model: Foreign, settings: Mapping[str, Any]) -> dict[str, Any]:
    shapes = {name: tuple(one.shape) for name, one in model.weights.items()}
    words = shapes.get("model.shared.weight", (0, 0))
    values: dict[str, Any] = {
        "vocab_size": words[0],
        "d_model": words[1],
        # Two rows of the table are before the first position.
        "max_position_embeddings": shapes.get("model.encoder.embed_positions.weight", (1026,))[0] - 2,
        "activation_function": settings.get("activation_fn", "gelu"),
        "dropout": settings.get("dropout", 0.1),
        "attention_dropout": settings.get("attention_dropout", 0.0),
        "scale_embedding": not settings.get("no_scale_embedding", model.model_type == "bart"),
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
    }
    for half in ("encoder", "decoder"):
        heads = settings.get(f"{half}_attention_heads") or heads_of(words[1], model.notes)
        inner = shapes.get(f"model.{half}.layers.0.fc1.bias", (0,))[0]
        number = numbered(shapes, rf"model\.{half}\.layers\.(\d+)")
        values |= {f"{half}_layers": number, f"{half}_attention_heads": heads, f"{half}_ffn_dim": inner}
    return values
