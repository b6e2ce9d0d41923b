"""What an adaptation did to a vocabulary: the file that tells the model's rows where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acclimate.artifacts.durable import write_text
from acclimate.errors import UserError

FILE = "adaptation.json"
NEW = -1


@dataclass(frozen=True)
class NewToken:
    """An entry that the old tokenizer did not have."""

    id: int
    token: str
    pieces: list[int]
    """Old ids that stood for it."""
    count: int
    """How often the adapted tokenizer gives it on the training text."""
    step: bool = False
    """Only a step of BPE's merges on the way to others."""


@dataclass(frozen=True)
class Adaptation:
    """From the old ids to the new ones."""

    algorithm: str
    mode: str
    asked: int
    old_size: int
    """Rows of the old tokenizer: its largest id and one."""
    from_old: list[int]
    """New id → old id; NEW where there was none."""
    new: list[NewToken]
    gone: list[str]
    """Entries that were replaced or pruned."""
    old_counts: list[int]
    """How often the old tokenizer gives each old id on the training text."""
    tokens_before: int
    """Of the training text's words; see `tokens_after`."""
    tokens_after: int
    changed: int
    """Kinds of words without any new token that are cut otherwise than before."""
    note: str | None = None
    """What the user should know."""

    def write(self, folder: Path) -> None:
        write_text(folder / FILE, json.dumps(asdict(self), ensure_ascii=False, sort_keys=True) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Adaptation:
        """Raises UserError when there is none in the folder."""
        try:
            values: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
        except FileNotFoundError:
            raise UserError(f"{folder} holds no {FILE}: its tokenizer was not adapted here") from None
        return cls(**{**values, "new": [NewToken(**one) for one in values["new"]]})
