"""Parts of a kept model that its Transformers class does not know, such as a head over pairs of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def weights_below(folder: Path, part: str) -> dict[str, Tensor]:
    """The weights of a part of the model in the folder, by their names within it. Raises UserError without any."""
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(f"{part}.")]  # noqa: SIM118 (no mapping)
            found |= {name.removeprefix(f"{part}."): file.get_tensor(name) for name in names}
    if not found:
        raise UserError(f"{folder}: the model's weights hold no {part}")
    return found
