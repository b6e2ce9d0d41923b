"""Where the recipes are that come with Acclimate."""

from __future__ import annotations

from pathlib import Path

from acclimate.errors import UserError
from acclimate.recipe.wording import nearest

_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "shipped", _PACKAGE.parents[1] / "recipes")
"""In an installed package; in a checkout, beside `src`."""


def find_shipped(name: str) -> Path:
    """The file of a shipped recipe, such as `quickstart`. Raises UserError that lists what there is."""
    there = {path.stem: path for folder in reversed(FOLDERS) for path in folder.glob("*.yaml")}
    if name not in there:
        raise UserError(f"no recipe {name!r} comes with this installation; {nearest(name, there)}")
    return there[name]
