"""Writing the whole train state, and finding it again after whatever happened."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from acclimate.artifacts.durable import new_folder, remove, replace_folder, settle, write_json
from acclimate.artifacts.faults import explained
from acclimate.artifacts.hashing import digest_file
from acclimate.engine.state import TrainState
from acclimate.errors import UserError

_STEP = re.compile(r"^step-(\d{9})$")
TENSORS, SCALARS = "state.safetensors", "state.json"


class Checkpoints:
    """The last few states of one training, and the best, in a folder of their own."""

    def __init__(
        self, folder: Path, *, keep: int = 2, warn: Callable[[str], object] = lambda text: None
    ) -> None:
        self.folder = new_folder(folder)
        self.keep = keep
        self.warn = warn

    def save(self, state: TrainState) -> Path:
        """Write the state whole or not at all; then drop what is older than the last `keep`."""
        path = self.folder / f"step-{state.progress.steps:09d}"
        self._write(path, state)
        for old in self._saved()[: -self.keep]:
            remove(old)
        return path

    def save_best(self, state: TrainState) -> None:
        """Write the state as the best one by validation loss."""
        self._write(self.folder / "best", state)

    def restore_best(self, state: TrainState) -> None:
        """Take over the weights of the best state; progress stays as it is."""
        best = self.folder / "best"
        try:
            tensors, _ = self._read(best)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"the best weights cannot be read from {best}: {error}; remove it to train again"
            ) from error
        own = state.tensors()
        with torch.no_grad():
            for name, tensor in tensors.items():
                if name.startswith("model/"):
                    own[name].copy_(tensor)

    def resume(self, state: TrainState) -> Path | None:
        """Become the newest state that is whole; None when there is none. A damaged one is named and passed over."""
        for path in reversed(self._saved()):
            try:
                tensors, scalars = self._read(path)
            except (OSError, ValueError, KeyError) as error:
                self.warn(f"checkpoint {path.name} is damaged ({error}); taking the one before it")
                continue
            state.load(tensors, scalars)
            return path
        return None

    def newest(self) -> Path | None:
        saved = self._saved()
        return saved[-1] if saved else None

    def _saved(self) -> list[Path]:
        return sorted(p for p in self.folder.iterdir() if _STEP.match(p.name) and p.is_dir())

    def _write(self, path: Path, state: TrainState) -> None:
        def fill(folder: Path) -> None:
            tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in state.tensors().items()}
            with explained(folder / TENSORS, need=sum(tensor.nbytes for tensor in tensors.values())):
                save_file(tensors, folder / TENSORS)
            write_json(folder / SCALARS, {**state.scalars(), "sha256": digest_file(folder / TENSORS)})

        replace_folder(path, fill)

    def _read(self, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        settle(path)
        scalars = json.loads((path / SCALARS).read_text(encoding="utf-8"))
        found = digest_file(path / TENSORS)
        if found != scalars["sha256"]:
            raise ValueError(f"{TENSORS} has digest {found[:12]}…, {scalars['sha256'][:12]}… was written")
        return load_file(path / TENSORS), scalars


class BestInMemory:
    """Keeps the best weights in memory: for short trainings that are simply done again when interrupted."""

    def __init__(self) -> None:
        self._best: dict[str, torch.Tensor] | None = None

    def save_best(self, state: TrainState) -> None:
        self._best = {
            name: tensor.detach().clone()
            for name, tensor in state.tensors().items()
            if name.startswith("model/")
        }

    def restore_best(self, state: TrainState) -> None:
        if self._best is None:
            raise ValueError("there is no best state yet")
        own = state.tensors()
        with torch.no_grad():
            for name, tensor in self._best.items():
                own[name].copy_(tensor)
