"""Paths in a recipe: relative to the recipe's folder, with variables from the environment."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationInfo
from pydantic.functional_validators import BeforeValidator

from acclimate.recipe.wording import Called

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expand_variables(text: str) -> str:
    """`${DATA}` or `${DATA:-default}` from the environment. Raises ValueError where neither is there."""

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name) or default
        if found is None:
            raise ValueError(
                f"the environment variable {name} is not set; set it, or write ${{{name}:-default}} instead"
            )
        return found

    return _VARIABLE.sub(value, text)


def fallbacks(text: str) -> list[str]:
    """Each variable in the text that is not set and so stands for its default, in words."""
    return [
        f"the environment variable {match[1]} is not set, and {match[0]} stands for {match[2]!r}"
        for match in _VARIABLE.finditer(text)
        if match[2] is not None and not os.environ.get(match[1])
    ]


def _resolve(value: Any, info: ValidationInfo) -> Any:
    return resolve_path(value, info.context) if isinstance(value, (str, Path)) else value


def resolve_path(value: str | Path, context: Any) -> str:
    """The path with its variables replaced, below the folder that the validation context names as `base`.

    Raises ValueError for an unset variable, or nothing.
    """
    text = expand_variables(str(value))
    if not text.strip():
        raise ValueError("expected a path, found nothing")
    path = Path(text).expanduser()
    base = (context or {}).get("base")
    return os.path.normpath(path if base is None else Path(base) / path)


DataPath = Annotated[str, BeforeValidator(_resolve), Called("path")]
"""A file, folder or glob; relative ones start at the recipe's folder (validation context `base`)."""


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def _resolve_source(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list):
        if not value:
            raise ValueError("expected a path, found an empty list")
        return [_resolve_source(one, info) for one in value]
    if isinstance(value, str) and value.startswith("@"):
        return "@" + _resolve(value[1:], info)
    if isinstance(value, str) and _URL.match(value):
        return expand_variables(value)
    return _resolve(value, info)


SourcePath = Annotated[str, BeforeValidator(_resolve_source), Called("path")]
"""As a DataPath; also a URL such as `s3://bucket/folder/file`."""
SourcePaths = Annotated[str | list[str], BeforeValidator(_resolve_source), Called("path, or list of paths")]
"""As a DataPath; also a URL, `@` and the path of a file with a path a line, and a list of all these."""


def _find(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, (str, Path)):
        return value
    text = expand_variables(str(value))
    if not text.strip():
        raise ValueError("expected a folder or a hub id, found nothing")
    path = Path(text).expanduser()
    base = (info.context or {}).get("base")
    place = Path(os.path.normpath(path if base is None else Path(base) / path))
    if place.is_dir():
        return str(place)
    if path.is_absolute() or text.startswith(("./", "../", "~")) or text.count("/") > 1:
        raise ValueError(f"there is no folder {place}")
    return text


ModelSource = Annotated[str, BeforeValidator(_find), Called("folder or hub id")]
"""A local folder (relative to the recipe's folder), or a hub id `owner/name` when there is no such folder."""
