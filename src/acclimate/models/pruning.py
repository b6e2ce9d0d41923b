"""Taking whole layers out of a model that was trained with LayerDrop (Fan et al. 2020): every n-th one stays.

It works on the files of a model folder, so that any head is kept as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.artifacts import durable
from acclimate.errors import UserError
from acclimate.models.finding import family_of

if TYPE_CHECKING:
    from torch import Tensor

    from acclimate.models.family import Family

_SIDES = ("encoder", "decoder")
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Pruned:
    """What was written."""

    layers: dict[str, tuple[int, int]]
    """Key of the configuration → layers before and after."""
    parameters: tuple[int, int]
    """Before and after, tied ones once."""


def prune(source: Path, to: Path, *, every: int = 2) -> Pruned:
    """Write the model in the folder `source` into the new or empty folder `to`, with layers 0, every, 2·every, ….

    Raises UserError for a family that LayerDrop does not train, a folder without weights, and a model with too few
    layers to leave any out.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file
    from transformers import AutoConfig

    import acclimate.models.register  # noqa: F401

    if every < 2:
        raise UserError(f"every {every}: of every so many layers one is kept, so it must be 2 or more")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to}: is not empty; name a new folder or an empty one")
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=True)
        weights = load_file(source / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{source}: {str(error).splitlines()[0]}") from error
    family = family_of(config)
    lists = family.layer_lists
    if not _is_prunable(family):
        raise UserError(
            f"{source}: models of type {config.model_type!r} are not trained with LayerDrop, so they would not stand "
            f"the loss of layers; those of these families do: {', '.join(_prunable())}"
        )
    dropped = [
        float(getattr(config, key, 0) or 0) for key in ("layerdrop", *map("{}_layerdrop".format, _SIDES))
    ]
    if not any(dropped):
        raise UserError(
            f"{source}: this model was trained without LayerDrop (`layerdrop: 0`), so it would not stand the loss of "
            "layers; train it with `layerdrop`, for example 20%"
        )
    before = _parameters(weights)
    layers = {}
    for path, key in lists.items():
        number = int(getattr(config, key))
        kept = list(range(0, number, every))
        if len(kept) == number:
            raise UserError(f"{source}: it has {number} layer ({key}): none can be left out")
        layers[key] = (number, len(kept))
        groups = getattr(config, "layer_groups", None)
        if groups is not None:
            kept = sorted({groups[layer] for layer in range(0, number, every)})
            config.layer_groups = [kept.index(groups[layer]) for layer in range(0, number, every)]
        setattr(config, key, layers[key][1])
        weights = _without(weights, path, kept)
    with durable.scratch_folder(_nearest(to)) as scratch:
        for one in sorted(source.iterdir()):
            if one.is_file() and one.name not in (_WEIGHTS, "config.json"):
                durable.write_bytes(scratch / one.name, one.read_bytes())
        save_file(weights, scratch / _WEIGHTS, metadata={"format": "pt"})
        config.save_pretrained(scratch)
        durable.link_tree(scratch, to)
    return Pruned(layers, (before, _parameters(weights)))


def _without(weights: dict[str, Tensor], path: str, kept: list[int]) -> dict[str, Tensor]:
    """The weights whose names have a number of `kept` behind the path, numbered anew, and all others."""
    pattern = re.compile(rf"(^|\.){re.escape(path)}\.(\d+)\.")
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        place = pattern.search(name)
        if place is None:
            found[name] = weight
        elif int(place[2]) in kept:
            found[f"{name[: place.start(2)]}{kept.index(int(place[2]))}{name[place.end(2) :]}"] = weight
    return found


def _parameters(weights: dict[str, Tensor]) -> int:
    """Of floating point: whole numbers are counters."""
    return sum(one.numel() for one in weights.values() if one.is_floating_point())


def _prunable() -> list[str]:
    from acclimate.recipe.registry import registry

    families: dict[str, Any] = {name: registry.get("family", name) for name in registry.names("family")}
    return sorted(name for name, family in families.items() if _is_prunable(family))


def _is_prunable(family: type[Family]) -> bool:
    return bool(family.layer_lists) and "layerdrop" in family.model_fields


def _nearest(to: Path) -> Path:
    """Where the folder will stand, or the nearest one above that is there: the same file system."""
    return next(place for place in to.absolute().parents if place.is_dir())
