"""Reading `.bin` and `.pt` files without running what they hold.

Such a file is a pickle, which can call any function. Torch's own reader (`weights_only`) takes tensors, numbers and
containers and refuses all else before it is called. fairseq keeps its settings in an `argparse.Namespace`, a bag of
values: it is let through.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError

if TYPE_CHECKING:
    import torch

_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
"""How torch names what it refuses to call."""
_ARCHIVE = b"PK\x03\x04"
_HOLDERS = ("model", "module", "state_dict", "model_state_dict")
"""Under which programs keep the weights when the file holds more than them."""


def read_pickled(path: Path) -> Any:
    """What the file holds. Raises UserError when it is no such file, or holds code, which is not run."""
    import torch

    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        with torch.serialization.safe_globals([Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles in a newer form than torch writes
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle fails in as many ways as there are instructions
        named = _GLOBAL.search(str(error))
        if named is not None:
            raise UserError(
                f"{path}: refused: it holds code ({named[1]}), which was not run; import takes files of weights, "
                "numbers and plain settings. If you trust it, load it where it was written and save its weights alone"
            ) from None
        if _cut_off(path, error):
            size = path.stat().st_size
            raise UserError(
                f"{path}: cut off after {size:,} bytes, so that not all weights are in it; fetch it again"
            ) from None
        raise UserError(
            f"{path} is no file of torch weights that can be read without running code, or it is damaged"
        ) from None


def _cut_off(path: Path, error: Exception) -> bool:
    """Whether the file's end is missing: of an archive its table of contents, else bytes that the pickle announces."""
    with path.open("rb") as file:
        archive = file.read(len(_ARCHIVE)) == _ARCHIVE
    return not zipfile.is_zipfile(path) if archive else "unexpected EOF" in str(error)


def weights_in(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name, wherever a known program keeps them in its file. Raises UserError without any."""
    import torch

    for held in (loaded, *(loaded.get(key) for key in _HOLDERS if isinstance(loaded, Mapping))):
        if isinstance(held, Mapping):
            found = {name: one for name, one in held.items() if isinstance(one, torch.Tensor)}
            if found and all(isinstance(name, str) for name in found):
                return {name.removeprefix("module."): one.detach() for name, one in found.items()}
    raise UserError(f"{path}: no weights by name in it")
