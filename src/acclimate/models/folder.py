"""What a folder of a Transformers model says of itself, read without loading anything of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.artifacts.json_object import read_object
from acclimate.errors import UserError

if TYPE_CHECKING:
    from acclimate.models.family import Family


def folder_problems(family: Family) -> list[tuple[tuple[str, ...], str]]:
    """(place below the family's settings, what is wrong) with the folder of its checkpoint, if it is one."""
    folder = None if family.starts_from is None else Path(family.starts_from)
    if folder is None or not folder.is_dir():
        return []  # a hub id
    try:
        require_safetensors(folder)
        family.require_fitting(configuration(folder))
        require_whole(folder)
    except UserError as error:
        return [(("checkpoint",), str(error))]
    return []


def require_safetensors(folder: Path) -> None:
    """Raises UserError for a folder of another program's, or of an older Transformers."""
    others = [
        name for pattern in ("*.bin", "*.pt", "*.index", "*.h5") for name in sorted(folder.glob(pattern))
    ]
    how = f"; `acclimate import {folder} --to FOLDER` converts it" if others else ""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no config.json in it, so it is no Transformers model folder{how}")
    if others and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{folder}: the model cannot be loaded: its weights are in {others[0].name} alone, and such files can hold "
            f"code{how}"
        )


def require_whole(folder: Path) -> None:
    """Raises UserError for a file of weights that is shorter than it says, or none; its numbers are not read."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: cut off or damaged, the weights cannot be read: {error}") from None


def require_type(source: object, found: Mapping[str, Any], family: str, taken: Sequence[str]) -> None:
    """Raises UserError for the configuration of a model of a type that the family does not take."""
    if (model_type := found.get("model_type")) and model_type not in taken:
        raise UserError(
            f"{source} holds a model of type {model_type!r}, which the family {family} does not take; it takes: "
            f"{', '.join(taken)}"
        )


def configuration(folder: Path) -> Mapping[str, Any]:
    """Its config.json. Raises UserError for one that is no JSON object."""
    return read_object(folder / "config.json")
