"""Checkpoints of Google's releases of BERT, ALBERT and ELECTRA: variables of TensorFlow by name.

Facts: Devlin et al. 2019, Lan et al. 2020 and Clark et al. 2020, and the variables' names in their released files.
TensorFlow keeps a projection as [in, out], torch as [out, in].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.models.importing.foreign import Foreign, Rule, heads_of, layers, numbered

if TYPE_CHECKING:
    from torch import Tensor

_STATE = re.compile(
    r"(.*/)?(adam_[mv]|lamb_[mv]|Adam(_\d+)?|AdamWeightDecayOptimizer(_\d+)?|LAMB\w*(_\d+)?|Momentum"
    r"|global_step|beta[12]_power(_\d+)?|loss_scale|good_steps|bad_steps|ExponentialMovingAverage)"
)
"""What optimizers and counters leave in a checkpoint."""
_VALUES = [
    "attention_probs_dropout_prob",
    "hidden_act",
    "hidden_dropout_prob",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "type_vocab_size",
    "vocab_size",
    "embedding_size",
    "num_hidden_groups",
    "inner_group_num",
    "layer_norm_eps",
]
"""What a `bert_config.json` may say that Transformers calls the same."""
_LAYER = r"encoder/layer_(\d+)/(attention/self/query|attention/self/key|attention/self/value|attention/output/dense"
_LAYER += r"|attention/output/LayerNorm|intermediate/dense|output/dense|output/LayerNorm)"
_GROUP = r"bert/encoder/transformer/group_(\d+)/inner_group_(\d+)"
_OURS = r"albert.encoder.albert_layer_groups.\1.albert_layers.\2"


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.t()


def _rules(pairs: Mapping[str, str]) -> list[Rule]:
    dense = [Rule(f"{pattern}/kernel", f"{target}.weight", _transposed) for pattern, target in pairs.items()]
    return [*dense, *layers(pairs, end="/")]


def _embeddings(scope: str, ours: str) -> list[Rule]:
    pattern = rf"{scope}/embeddings/(word|position|token_type)_embeddings"
    return [
        Rule(pattern, rf"{ours}.embeddings.\1_embeddings.weight"),
        *_rules({f"{scope}/embeddings/LayerNorm": f"{ours}.embeddings.LayerNorm"}),
    ]


def _bert() -> list[Rule]:
    pairs = {
        rf"bert/{_LAYER}": r"bert.encoder.layer.\1.\2",
        "bert/pooler/dense": "bert.pooler.dense",
        "cls/predictions/transform/(dense|LayerNorm)": r"cls.predictions.transform.\1",
    }
    return [
        *_embeddings("bert", "bert"),
        *_rules(pairs),
        Rule("cls/predictions/output_bias", "cls.predictions.bias"),
        Rule("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
        Rule("cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
        Rule("output_weights", "classifier.weight"),
        Rule("output_bias", "classifier.bias"),
    ]


def _albert() -> list[Rule]:
    pairs = {
        "bert/encoder/embedding_hidden_mapping_in": "albert.encoder.embedding_hidden_mapping_in",
        rf"{_GROUP}/attention(?:_1)?/self/(query|key|value)": rf"{_OURS}.attention.\3",
        rf"{_GROUP}/attention(?:_1)?/output/dense": f"{_OURS}.attention.dense",
        rf"{_GROUP}/LayerNorm": f"{_OURS}.attention.LayerNorm",
        rf"{_GROUP}/LayerNorm_1": f"{_OURS}.full_layer_layer_norm",
        rf"{_GROUP}/ffn(?:_1)?/intermediate/dense": f"{_OURS}.ffn",
        rf"{_GROUP}/ffn(?:_1)?/intermediate/output/dense": f"{_OURS}.ffn_output",
        "bert/pooler/dense": "albert.pooler",
        "cls/predictions/transform/(dense|LayerNorm)": r"predictions.\1",
    }
    return [
        *_embeddings("bert", "albert"),
        *_rules(pairs),
        Rule("cls/predictions/output_bias", "predictions.bias"),
        Rule("cls/seq_relationship/output_weights", "sop_classifier.classifier.weight"),
        Rule("cls/seq_relationship/output_bias", "sop_classifier.classifier.bias"),
        Rule("output_weights", "classifier.weight"),
        Rule("output_bias", "classifier.bias"),
    ]


def _electra(scope: str, embeddings: str) -> list[Rule]:
    pairs = {
        f"{scope}/embeddings_project": "electra.embeddings_project",
        rf"{scope}/{_LAYER}": r"electra.encoder.layer.\1.\2",
    }
    if scope == "electra":
        pairs["discriminator_predictions/dense"] = "discriminator_predictions.dense"
        pairs["discriminator_predictions/dense_1"] = "discriminator_predictions.dense_prediction"
    else:
        pairs["generator_predictions/(dense|LayerNorm)"] = r"generator_predictions.\1"
    return [
        *_embeddings(embeddings, "electra"),
        *_rules(pairs),
        Rule("generator_predictions/output_bias", "generator_lm_head.bias"),
    ]


def recognised(names: Mapping[str, Any]) -> str | None:
    """The type of the model whose variables these are; None: nothing known."""
    if any(name.startswith(("electra/", "generator/")) for name in names):
        return "electra"
    if any("/inner_group_" in name for name in names):
        return "albert"
    return "bert" if any(name.startswith("bert/") for name in names) else None


def convert(tensors: Mapping[str, Tensor], model_type: str, settings: Mapping[str, Any]) -> list[Foreign]:
    """The model, or ELECTRA's two: the discriminator and, beside it, the generator.

    settings: what `bert_config.json` or its like says; empty where there is none, and shapes tell.
    """
    weights = {
        name.removeprefix("module/"): one for name, one in tensors.items() if not _STATE.fullmatch(name)
    }
    state = [name for name in tensors if _STATE.fullmatch(name)]
    if model_type != "electra":
        model = Foreign(model_type, {}, ignored=state)
        model.in_body = lambda name: name.startswith("bert/") and "/pooler/" not in name
        model.take(weights, _bert() if model_type == "bert" else _albert())
        model.config = _config(model, settings)
        return [model]
    found = []
    for scope, part in (("electra", ""), ("generator", "generator")):
        if not any(name.startswith(f"{scope}/encoder/") for name in weights):
            continue
        # The generator reads the discriminator's embeddings, unless it was trained with its own.
        embeddings = "generator" if part and "generator/embeddings/word_embeddings" in weights else "electra"
        model = Foreign("electra", {}, ignored=state, part=part)
        model.in_body = lambda name: name.startswith(("electra/", "generator/"))
        model.take(_electra_part(weights, part, embeddings), _electra(scope, embeddings))
        model.config = _config(model, settings if scope == "electra" else {})
        found.append(model)
    return found


def _electra_part(weights: Mapping[str, Tensor], part: str, embeddings: str) -> dict[str, Tensor]:
    """The variables of the generator, or all others."""
    generators = ("generator/", "generator_predictions/")
    mine = {name: one for name, one in weights.items() if name.startswith(generators) == bool(part)}
    if part and embeddings == "electra":
        mine |= {name: one for name, one in weights.items() if name.startswith("electra/embeddings/")}
    return mine


def _config(model: Foreign, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings say, and for what they do not what the shapes tell."""
    said = {name: settings[name] for name in _VALUES if name in settings}
    if model.model_type == "albert" and said.get("hidden_act", "gelu") == "gelu":
        said["hidden_act"] = "gelu_new"  # its code reckons GELU by tanh, whatever the file calls it
    shapes = {name: tuple(one.shape) for name, one in model.weights.items()}
    words = shapes.get(f"{model.model_type}.embeddings.word_embeddings.weight")
    told: dict[str, Any] = {}
    if words is not None:
        told["vocab_size"] = words[0]
        if model.model_type != "bert":
            told["embedding_size"] = words[1]
    for part, value in (("position", "max_position_embeddings"), ("token_type", "type_vocab_size")):
        table = shapes.get(f"{model.model_type}.embeddings.{part}_embeddings.weight")
        if table is not None:
            told[value] = table[0]
    inner = next(
        (one for name, one in shapes.items() if name.endswith((".intermediate.dense.weight", ".ffn.weight"))),
        None,
    )
    if inner is not None:
        told |= {"intermediate_size": inner[0], "hidden_size": inner[1]}
    if model.model_type == "albert":
        told["num_hidden_groups"] = numbered(shapes, r"albert\.encoder\.albert_layer_groups\.(\d+)")
        told["inner_group_num"] = numbered(shapes, r"albert\..*albert_layers\.(\d+)")
    else:
        told["num_hidden_layers"] = numbered(shapes, rf"{model.model_type}\.encoder\.layer\.(\d+)")
    for name in ("vocab_size", "max_position_embeddings"):
        if name in said and told.get(name, said[name]) != said[name]:
            model.notes.append(
                f"the settings say {name} {said[name]:,}, the weights have {told[name]:,} rows: taken"
            )
            said[name] = told[name]
    values = {**told, **said}
    if "num_attention_heads" not in values and "hidden_size" in values:
        values["num_attention_heads"] = heads_of(values["hidden_size"], model.notes)
    if model.model_type == "albert" and "num_hidden_layers" not in values:
        values["num_hidden_layers"] = _runs(values.get("hidden_size"), model.notes)
    if "classifier.weight" in shapes:
        values["num_labels"] = shapes["classifier.weight"][0]
    return values


def _runs(hidden: int | None, notes: list[str]) -> int:
    """How often ALBERT's shared layer runs, where no settings tell: as in the published model of this width."""
    published = {768: 12, 1024: 24, 2048: 24, 4096: 12}
    if hidden not in published:
        raise UserError(
            "nothing tells how often the shared layer of this ALBERT runs; put its albert_config.json beside it"
        )
    notes.append(f"nothing tells how often the shared layer runs: {published[hidden]} times taken")
    return published[hidden]
