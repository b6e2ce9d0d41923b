"""What a model weighs and costs, counted on the meta device: no memory is used, no weight is drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.models.kinds import Kind
from acclimate.recipe.registry import registry
from acclimate.recipe.settings import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.building import Labels
    from acclimate.models.family import Family

LENGTH = 128
"""Tokens of the sequences for which FLOPs are told, where a model takes so many."""
_BYTES = 4
"""Of a number in fp32."""
_TRAINED = 4
"""What is kept of each parameter while it is trained: itself, its gradient, and two moments of AdamW."""

_OF_TASKS = ("encoder", "classification", "tokens", "spans")
"""Kinds that no objective of pretraining needs."""
_SHAPE: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers",),
    "decoder_layers": ("decoder_layers", "num_decoder_layers"),
    "hidden": ("hidden_size",),
    "heads": ("num_attention_heads",),
    "feed_forward": ("intermediate_size", "d_inner", "n_inner", "hidden_dim", "encoder_ffn_dim", "d_ff"),
    "vocabulary": ("vocab_size",),
}
"""What is told of a configuration → what configurations call it."""
_NO_MATRIX = re.compile(r"pooler|bias|position")
"""Names of parameters of two dimensions that a token does not go through."""


def meta_model(config: Any, kind: Kind, family: type[Family] | None = None) -> PreTrainedModel:
    """A model without weights."""
    import torch

    from acclimate.models.building import model_class
    from acclimate.models.finding import family_of

    built = model_class(kind, family or family_of(config))
    make = built.from_config if hasattr(built, "from_config") else built._from_config
    with torch.device("meta"):
        return make(config)  # type: ignore[no-any-return]


def outline(family: Family, kind: Kind, labels: Labels | None = None) -> PreTrainedModel | None:
    """The model that a recipe's family describes, without weights; None for a checkpoint that is in no folder here.

    Raises UserError for a checkpoint whose configuration cannot be read.
    """
    if family.starts_from is None:
        config = family.config()
    elif Path(family.starts_from).is_dir():
        from acclimate.models.loading import configuration_of

        config = configuration_of(family.starts_from, local=True)
    else:
        return None
    if labels is not None:
        labels.write_into(config)
    return meta_model(config, kind, type(family))


def count_parameters(config: Any, kind: Kind = "encoder", family: type[Family] | None = None) -> int:
    """Exact number of parameters, tied ones once; `encoder` has its pooler, `mlm` its head."""
    return sum(p.numel() for p in meta_model(config, kind, family).parameters())


def preset(family: str, size: str) -> Family:
    """The settings of a published preset. Raises UserError with the nearest spelling."""
    found: Any = registry.get("family", family)
    if size not in found.sizes:
        raise UserError(
            f"unknown size {family}/{size}; {nearest(size, found.sizes)} (sizes of {family}: {', '.join(found.sizes)}; "
            "a published checkpoint of another name is what a recipe's `model.checkpoint` takes)"
        )
    return found.model_validate({"size": size})  # type: ignore[no-any-return]


def family_and_size(written: str | None) -> tuple[str, str]:
    """The two of FAMILY/SIZE. Raises UserError, with the nearest preset for a name such as bert-base or BERT/Base."""
    family, slash, size = (written or "").partition("/")
    families = registry.names("family")
    if family in families and size:
        return family, size
    if family in families:
        sizes: Any = registry.get("family", family)
        raise UserError(
            f"expected FAMILY/SIZE, such as {family}/{sizes.default_size}, found {written!r}; "
            f"sizes of {family}: {', '.join(sizes.sizes)}"
        )
    if family and (size or not slash):
        every: list[tuple[str, Any]] = [(name, registry.get("family", name)) for name in families]
        told = nearest(written, [f"{name}/{one}" for name, settings in every for one in settings.sizes])
        if told.startswith("did you mean"):
            raise UserError(f"expected FAMILY/SIZE, found {written!r}; {told}")
    raise UserError(
        f"expected FAMILY/SIZE, such as bert/tiny, found {written!r}; families: {', '.join(sorted(families))}"
    )


def describe(family: str, size: str) -> dict[str, Any]:
    """Layers, parameters, FLOPs and memory of a published preset, e.g. ("bert", "tiny").

    Bytes are those of weights (inference), and of weights, gradients and AdamW's moments (training), all in fp32 and of
    the largest head that pretraining knows; what a batch needs comes on top.
    """
    settings = preset(family, size)
    config, kind = settings.config(), type(settings)
    heads: list[Kind] = [one for one in kind.kinds if one not in _OF_TASKS and not settings.refuses(one)]
    bodies: list[Kind] = ["encoder"] if "encoder" in kind.kinds else heads[:1]
    counts = {one: count_parameters(config, one, kind) for one in [*bodies, *heads]}
    longest = kind.max_length(config)
    length = LENGTH if longest is None else min(LENGTH, longest)
    model = meta_model(config, bodies[0], kind)
    flops = kind.flops(model, length)
    most = max(counts.values())
    return {
        "family": family,
        "size": size,
        **kind.shape(config),
        **({} if longest is None else {"positions": longest}),
        "parameters": counts[bodies[0]],
        **{f"parameters_with_{one}_head": counts[one] for one in heads},
        "flops_at_length": length,
        "flops_per_token_forward": flops,
        "flops_per_token_training": 3 * flops,
        **{f"flops_per_{name}_forward": one for name, one in kind.other_flops(model).items()},
        "bytes_inference": _BYTES * most,
        "bytes_training": _TRAINED * _BYTES * most,
    }


def shape_of(config: Any) -> dict[str, Any]:
    """Layers, widths and vocabulary, by the names that configurations give them."""
    found = {}
    for told, names in _SHAPE.items():
        values = [getattr(config, name, None) for name in names]
        value = next((one for one in values if isinstance(one, int)), None)
        if value is not None:
            found[told] = value
    if not config.is_encoder_decoder:
        found.pop("decoder_layers", None)
    elif "layers" in found:
        found.setdefault("decoder_layers", found["layers"])
    return found


def forward_flops(model: PreTrainedModel, length: int) -> int:
    """FLOPs of one token's way forward through the model's body in a sequence of this length, two a multiply-add.

    Every matrix once (tables, pooler and heads left out), and in each layer of attention 4·length·width: scores and
    sums, to all places, also where a mask hides some. With a decoder: the mean over tokens read and written, as many.
    """
    from torch import nn

    config, body = model.config, model.base_model
    head = model.get_output_embeddings()
    tables = {id(one.weight) for one in body.modules() if isinstance(one, nn.Embedding) or one is head}
    matrices = sum(
        one.numel()
        for name, one in body.named_parameters()
        if one.dim() >= 2 and id(one) not in tables and not _NO_MATRIX.search(name)
    )
    shape = shape_of(config)
    heads, hidden = shape.get("heads"), shape.get("hidden", 0)
    width = 0 if heads is None else heads * (getattr(config, "head_dim", None) or hidden // heads)
    layers = shape.get("layers", 0)
    if config.is_encoder_decoder:
        layers += 2 * shape["decoder_layers"]
        return matrices + 2 * length * layers * width
    return 2 * matrices + 4 * length * layers * width
