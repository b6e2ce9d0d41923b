"""What a model weighs, counted on the meta device: no memory is used, no weight is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.models.kinds import Kind
from acclimate.recipe.registry import registry
from acclimate.recipe.settings import nearest

if TYPE_CHECKING:
    from acclimate.models.family import Family


def count_parameters(config: Any, kind: Kind = "encoder", family: type[Family] | None = None) -> int:
    """Exact number of parameters, tied ones once; `encoder` has its pooler, `mlm` its head."""
    import torch

    from acclimate.models.building import model_class
    from acclimate.models.finding import family_of

    built = model_class(kind, family or family_of(config))
    make = built.from_config if hasattr(built, "from_config") else built._from_config
    with torch.device("meta"):
        model = make(config)
    return sum(p.numel() for p in model.parameters())


def preset(family: str, size: str) -> Family:
    """The settings of a published preset. Raises UserError with the nearest spelling."""
    found: Any = registry.get("family", family)
    if size not in found.sizes:
        raise UserError(f"unknown size {family}/{size}; {nearest(size, found.sizes)}")
    return found.model_validate({"size": size})  # type: ignore[no-any-return]


def describe(family: str, size: str) -> dict[str, Any]:
    """Layers, parameters, FLOPs and memory of a published preset, e.g. ("bert", "tiny")."""
    settings = preset(family, size)
    config = settings.config()
    encoder = count_parameters(config, "encoder", type(settings))
    masked = count_parameters(config, "mlm", type(settings))
    return {
        "family": family,
        "size": size,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "feed_forward": config.intermediate_size,
        "vocabulary": config.vocab_size,
        "positions": config.max_position_embeddings,
        "parameters": encoder,
        "parameters_with_mlm_head": masked,
        "flops_per_token_forward": forward_flops(config, length=128),
        "flops_per_token_training": 3 * forward_flops(config, length=128),
        "bytes_inference": 4 * masked,
        "bytes_training": 16 * masked,
    }


def forward_flops(config: Any, length: int) -> int:
    """FLOPs of one token's way through the layers, two a multiply-add, without embeddings and head.

    Projections and feed-forward 2·(4H² + 2HF) and attention 4·length·H, per layer.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    per_layer = 2 * (4 * hidden * hidden + 2 * hidden * inner) + 4 * length * hidden
    return int(config.num_hidden_layers * per_layer)
