"""WordPiece takes the longest entry that fits, so a whole word is reached as soon as it is an entry."""

from __future__ import annotations

import re
from typing import Any

from acclimate.tokenizer.adapt.entries import Entries, by_id
from acclimate.tokenizer.adapt.text import HAN

_SEVERAL_HAN = re.compile(rf"[{HAN}]{{2,}}")


class WordPieceEntries(Entries):
    """BERT's normaliser puts spaces around Han characters, so that no entry could hold two of them. Han entries are
    therefore found in the raw text, the longest from the left; since there every character is a word of its own, no
    word is broken by that, and text without them is cut as before."""

    def _names(self) -> list[str]:
        self._prefix = str(self.model.get("continuing_subword_prefix") or "")
        return by_id(self.model["vocab"])

    def joins_han(self) -> bool:
        parts = self.spec.get("normalizer") or {}
        return any(
            one.get("type") == "BertNormalizer" and one.get("handle_chinese_chars", True)
            for one in (parts, *parts.get("normalizers", ()))
        )

    def joined(self, pieces: list[str]) -> str | None:
        first, *rest = pieces
        prefix = self._prefix
        word = first + "".join(piece.removeprefix(prefix) if prefix else piece for piece in rest)
        return word if len(word) <= self.model.get("max_input_chars_per_word", 100) else None

    def apart(self, entry: str) -> list[str]:
        return list(entry) if self.joins_han() and _SEVERAL_HAN.fullmatch(entry) else [entry]

    def add(self, entry: str) -> None:
        self._enter(entry)

    def readable(self, entry: str) -> str | None:
        return entry.removeprefix(self._prefix) if self._prefix and entry != self._prefix else entry

    def write_model(self, names: list[str]) -> dict[str, Any]:
        return {**self.model, "vocab": {name: number for number, name in enumerate(names)}}

    def _matched(self, names: set[str]) -> list[dict[str, Any]]:
        if not self.joins_han():
            return []
        plain = {
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": False,
        }
        return [
            {"id": 0, "content": entry, **plain}
            for entry in self.new
            if entry in names and _SEVERAL_HAN.fullmatch(entry)
        ]
