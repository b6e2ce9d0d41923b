"""Unigram takes the likeliest way to cut a word, so a new entry needs a score with which it is the likeliest."""

from __future__ import annotations

import re
from typing import Any

from acclimate.tokenizer.adapt.entries import BYTES, Entries

MARGIN = 1e-3
"""By how much, in log probability, an entry beats the best other way to spell it: just enough, so that other text is
cut as before wherever it can be."""
_UNKNOWN_PENALTY = 10.0
"""An unknown character costs the lowest score minus this (SentencePiece's constant, and that of `tokenizers`)."""
_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


class UnigramEntries(Entries):
    """Scores of new entries are settled shorter ones first: an entry must win against the shorter new ones in it."""

    def _names(self) -> list[str]:
        self._scores: dict[str, float] = dict(self.model["vocab"])
        self._lowest = min(self._scores.values())
        self._longest = max(map(len, self._scores))
        return [piece for piece, _ in self.model["vocab"]]

    def unknown(self) -> str | None:
        number = self.model.get("unk_id")
        return None if number is None else str(self.model["vocab"][number][0])

    def joined(self, pieces: list[str]) -> str | None:
        return decoded_bytes("".join(pieces))

    def add(self, entry: str) -> None:
        self._enter(entry)
        self._settle()

    def forget(self, entries: set[str]) -> None:
        super().forget(entries)
        self._settle()

    def score(self, entry: str) -> float:
        """Its log probability."""
        return self._scores[entry]

    def _settle(self) -> None:
        for entry in self.new:
            self._scores.pop(entry, None)
        self._longest = max(map(len, self._scores))
        for entry in sorted(self.new, key=lambda one: (len(one), one)):
            self._longest = max(self._longest, len(entry))
            self._scores[entry] = max(self._best(entry) + MARGIN, self._lowest)

    def _best(self, text: str) -> float:
        """The log probability of the likeliest way to cut the text."""
        unknown = self._lowest - _UNKNOWN_PENALTY
        best = [0.0] + [float("-inf")] * len(text)
        for end in range(1, len(text) + 1):
            for start in range(max(0, end - self._longest), end):
                score = self._scores.get(text[start:end])
                if score is None and end - start == 1:
                    score = unknown
                if score is not None:
                    best[end] = max(best[end], best[start] + score)
        return best[-1]

    def protected(self) -> set[str]:
        # Without its lowest entry a vocabulary would rate unknown characters otherwise.
        lowest = next(piece for piece, score in self.model["vocab"] if score == self._lowest)
        return super().protected() | {lowest, "▁"}

    def readable(self, entry: str) -> str | None:
        return None if entry in BYTES else entry.replace("▁", " ").strip(" ")

    def write_model(self, names: list[str]) -> dict[str, Any]:
        unknown = self.unknown()
        return {
            **self.model,
            "vocab": [[name, self._scores[name]] for name in names],
            "unk_id": None if unknown is None else names.index(unknown),
        }


def decoded_bytes(entry: str) -> str | None:
    """An entry made of pieces that may be bytes; None when those are no whole characters."""
    try:
        return _BYTES.sub(
            lambda found: bytes.fromhex(found[0].replace("<0x", "").replace(">", "")).decode(), entry
        )
    except UnicodeDecodeError:
        return None
