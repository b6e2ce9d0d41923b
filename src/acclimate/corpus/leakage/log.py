"""The list of what was found of held-out texts: contamination.jsonl, one line for each document that was dropped or
cut, and counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from acclimate.corpus.leakage.held_out import HeldOutText

CONTAMINATION = "contamination.jsonl"


class ContaminationLog:
    """Gets the findings of `decontaminate` in reading order."""

    def __init__(self, file: IO[bytes], texts: list[HeldOutText]) -> None:
        self._file = file
        self._texts = texts
        self._found = np.zeros(len(texts), np.bool_)
        self._became: Counter[str] = Counter()
        self._characters = 0

    def add(self, findings: Iterable[dict[str, Any]]) -> None:
        for one in findings:
            self._became[one["reason"] if one["became"] == "dropped" else "cut"] += 1
            self._characters += one["characters_cut"]
            self._found[one["found"]] = True
            line = {**one, "found": len(one["found"])}
            self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def counts(self) -> dict[str, Any]:
        """Documents `dropped` by reason, documents `cut`, `characters_cut`; and for each task and split how many
        held-out `texts` there are and how many of them were `found`."""
        sets: dict[tuple[str, str], dict[str, int]] = {}
        for text, found in zip(self._texts, self._found.tolist(), strict=True):
            one = sets.setdefault((text.task, text.split), {"texts": 0, "found": 0})
            one["texts"] += 1
            one["found"] += found
        return {
            "dropped": {
                reason: self._became[reason] for reason in ("in_task", "contaminated") if self._became[reason]
            },
            "cut": self._became["cut"],
            "characters_cut": self._characters,
            "sets": [{"task": task, "split": split, **one} for (task, split), one in sets.items()],
        }
