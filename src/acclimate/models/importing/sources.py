"""Finding a checkpoint and telling which program wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from acclimate.artifacts.json_object import read_object
from acclimate.errors import UserError
from acclimate.models.folder import require_whole
from acclimate.models.importing import fairseq, google, uer
from acclimate.models.importing.pickled import read_pickled, weights_in
from acclimate.models.importing.tensor_bundle import TensorBundle

if TYPE_CHECKING:
    from torch import Tensor

Layout = Literal["google", "uer", "fairseq", "torch"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
_PIECES = "pytorch_model.bin.index.json"
_NAMED = ("pytorch_model.bin", "model.pt", "checkpoint_best.pt", "checkpoint_last.pt", "model.bin")
_MODULES: Mapping[str, Any] = {"google": google, "uer": uer, "fairseq": fairseq}


@dataclass
class Found:
    """A checkpoint that was read."""

    layout: Layout
    folder: Path
    """Where its other files are looked for."""
    tensors: Mapping[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)
    """What the file itself or a JSON beside it says of the model."""
    model_type: str | None = None


def find(source: Path, layout: Layout | None = None, config: Path | None = None) -> Found:
    """The checkpoint in a file or folder. Raises UserError when there is none, or it is of no known program."""
    bundle = _bundle(source)
    if bundle is not None and layout in (None, "google"):
        tensors = TensorBundle(bundle)
        settings = _settings(bundle.parent, config)
        return _typed(Found("google", bundle.parent, tensors, settings), source)
    path = _pickle(source)
    folder = path.parent
    loaded: Any = None
    if path.name == _PIECES:
        weights = _pieces(path)
    else:
        loaded = read_pickled(path)
        weights = weights_in(loaded, path)
    settings = _settings(folder, config)
    if layout == "torch" or (layout is None and "model_type" in settings):
        if "model_type" not in settings:
            raise UserError(f"{folder}: no config.json with a model_type, so it is no folder of Transformers")
        return Found("torch", folder, weights, settings, str(settings["model_type"]))
    for name in ("uer", "fairseq") if layout is None else (layout,):
        if name in ("uer", "fairseq") and _MODULES[name].recognised(weights):
            said = {**settings, **(fairseq.settings_in(loaded) if name == "fairseq" else {})}
            return _typed(Found(name, folder, weights, said), source)  # type: ignore[arg-type]
    names = ", ".join(list(weights)[:3])
    told = f"its names are not those of {layout}" if layout else "it is of no program that import knows"
    raise UserError(f"{path}: {told}: {names}, …; known: {', '.join(LAYOUTS)}")


def _typed(found: Found, source: Path) -> Found:
    found.model_type = _MODULES[found.layout].recognised(found.tensors)
    if found.model_type is None:
        names = ", ".join(list(found.tensors)[:3])
        raise UserError(f"{source}: no variables of BERT, ALBERT or ELECTRA in it: {names or 'none at all'}")
    return found


def _bundle(source: Path) -> Path | None:
    """The checkpoint's path without `.index`, where the source names a checkpoint of TensorFlow."""
    if source.is_dir():
        found = sorted(source.glob("*.index"))
        if len(found) > 1:
            names = ", ".join(one.name.removesuffix(".index") for one in found)
            raise UserError(f"{source}: holds several checkpoints, name one: {names}")
        return found[0].with_suffix("") if found else None
    for end in (".index", ".meta"):
        if source.suffix == end:
            return source.with_suffix("")
    if ".data-" in source.suffix:
        return source.with_suffix("")
    return source if source.with_name(source.name + ".index").is_file() else None


def _pickle(source: Path) -> Path:
    if source.is_file():
        if source.suffix in (".h5", ".msgpack", ".onnx", ".safetensors"):
            raise UserError(
                f"{source}: import takes TensorFlow checkpoints, .bin and .pt files, not {source.suffix}"
            )
        return source
    if not source.is_dir():
        raise UserError(f"{source}: there is no such file or folder to import")
    for name in (_PIECES, *_NAMED):
        if (source / name).is_file():
            return source / name
    found = sorted({*source.glob("*.bin"), *source.glob("*.pt")})
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"{source}: holds several checkpoints, name one: {', '.join(one.name for one in found)}"
        )
    if any(source.glob("*.safetensors")):
        require_whole(source)
        raise UserError(
            f"{source}: it holds safetensors already; a recipe takes the folder as it is (model.checkpoint)"
        )
    raise UserError(f"{source}: no checkpoint in it: neither *.index of TensorFlow nor *.bin or *.pt")


def _pieces(index: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint in several files."""
    table = read_object(index).get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(one, str) for one in table.values()):
        raise UserError(f"{index}: no weight_map in it")
    found: dict[str, Tensor] = {}
    for name in sorted(set(table.values())):
        if Path(name).name != name:
            raise UserError(f"{index}: {name!r} is no file beside it")
        if not (index.parent / name).is_file():
            raise UserError(f"{index.parent / name}: a piece of the checkpoint is not there")
        found |= weights_in(read_pickled(index.parent / name), index.parent / name)
    return found


def _settings(folder: Path, config: Path | None) -> dict[str, Any]:
    if config is not None:
        if not config.is_file():
            raise UserError(f"{config}: there is no such file")
        return read_object(config)
    for pattern in ("config.json", "*_config.json"):
        found = [one for one in sorted(folder.glob(pattern)) if "tokenizer" not in one.name]
        found = [one for one in found if "generation" not in one.name]
        if len(found) == 1:
            return read_object(found[0])
        if found:
            raise UserError(
                f"{folder}: several files of settings, name one: {', '.join(one.name for one in found)}"
            )
    return {}
