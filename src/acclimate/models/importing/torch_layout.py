"""Transformers' own folders from before safetensors: `pytorch_model.bin`, in one piece or several, and config.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from acclimate.models.importing.foreign import Foreign
from acclimate.models.load_report import RECKONED

if TYPE_CHECKING:
    from torch import Tensor

_RENAMED = ((r"\.gamma$", ".weight"), (r"\.beta$", ".bias"))
"""Layers of normalisation, as the first releases called them."""


def convert(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> list[Foreign]:
    """The model: names are Transformers' already, but for those that have changed since."""
    model = Foreign(str(config["model_type"]), dict(config))
    for name, tensor in tensors.items():
        if RECKONED.fullmatch(name) and not (tensor.dim() == 1 and name.endswith(".bias")):
            model.ignored.append(name)
            continue
        new = name
        for old, renamed in _RENAMED:
            new = re.sub(old, renamed, new)
        model.put(new, tensor, name)
    return [model]
