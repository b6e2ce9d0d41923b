"""BPE joins pairs in the order of its merges, so a new entry needs merges that lead to it.

They are appended, so that all old merges come first and text in which no new entry occurs is cut as before. A merge's
result must be an entry itself: the steps on the way to a word of k pieces are up to k - 2 entries, shared by words that
begin alike.
"""

from __future__ import annotations

from typing import Any

from acclimate.errors import UserError
from acclimate.tokenizer.adapt.entries import BYTES, Entries, by_id
from acclimate.tokenizer.adapt.unigram_entries import decoded_bytes

Pair = tuple[str, str]
_NEVER = 1 << 62


class BpeEntries(Entries):
    """Plain, over bytes, and with byte fallback."""

    def _names(self) -> list[str]:
        if self.model.get("continuing_subword_prefix"):
            prefix = self.model["continuing_subword_prefix"]
            raise UserError(
                f"the vocabulary of a BPE tokenizer with continuing_subword_prefix {prefix!r} cannot be adapted"
            )
        self._suffix = str(self.model.get("end_of_word_suffix") or "")
        merges = self.model["merges"]
        pairs = [tuple(one.split(" ")) if isinstance(one, str) else tuple(one) for one in merges]
        self._ranks: dict[Pair, int] = {pair: rank for rank, pair in enumerate(pairs)}  # type: ignore[misc]
        self._next = len(pairs)
        self._byte_level = "ByteLevel" in _types(self.spec.get("pre_tokenizer"))
        return by_id(self.model["vocab"])

    def joined(self, pieces: list[str]) -> str | None:
        entry = "".join(pieces)
        return None if self._byte_level and self.readable(entry) is None else decoded_bytes(entry)

    def add(self, entry: str) -> None:
        symbols = self.symbols(entry)
        for symbol in symbols:
            if symbol not in self.known:  # a character that was spelt in bytes or unknown
                self._enter(symbol, step=symbol != entry)
        while len(cut := self.merged(symbols)) > 1:
            places = range(len(cut) - 1)
            # A pair whose result is there already costs no entry.
            place = next((n for n in places if cut[n] + cut[n + 1] in self.known), 0)
            self._ranks[cut[place], cut[place + 1]] = self._next
            self._next += 1
            result = cut[place] + cut[place + 1]
            if result not in self.known:
                self._enter(result, step=result != entry)
            elif result == entry and entry in self.steps:
                self.steps.remove(entry)
                self.new.append(entry)

    def cost(self, entry: str) -> int:
        """How many entries it brings at most: itself, and the steps that lead to it."""
        symbols = self.symbols(entry)
        return max(1, len(self.merged(symbols)) - 1) + sum(symbol not in self.known for symbol in symbols)

    def symbols(self, entry: str) -> list[str]:
        """The characters that merging starts from."""
        if self._suffix and entry.endswith(self._suffix):
            core = entry.removesuffix(self._suffix)
            return [*core[:-1], core[-1:] + self._suffix]
        return list(entry)

    def merged(self, symbols: list[str], seen: set[str] | None = None) -> list[str]:
        """The symbols after all merges; `seen` collects every symbol on the way."""
        cut = list(symbols)
        if seen is not None:
            seen.update(cut)
        while len(cut) > 1:
            ranks = [(self._ranks.get((cut[n], cut[n + 1]), _NEVER), n) for n in range(len(cut) - 1)]
            rank, place = min(ranks)
            if rank == _NEVER:
                break
            cut[place : place + 2] = [cut[place] + cut[place + 1]]
            if seen is not None:
                seen.add(cut[place])
        return cut

    def forget(self, entries: set[str]) -> None:
        """Entries that merges lead to stay: others may be made of them."""

    def readable(self, entry: str) -> str | None:
        entry = entry.removesuffix(self._suffix) if self._suffix else entry
        if not self._byte_level:
            return None if entry in BYTES else entry.replace("▁", " ").strip(" ")
        try:
            return bytes(_BYTE_OF[character] for character in entry).decode().strip(" ")
        except (KeyError, UnicodeDecodeError):
            return None

    def single(self, entry: str) -> bool:
        return len(self.symbols(entry)) == 1

    def write_model(self, names: list[str]) -> dict[str, Any]:
        kept = set(names)
        merges = [
            [left, right]
            for left, right in self._ranks
            if left in kept and right in kept and left + right in kept
        ]
        vocabulary = {name: number for number, name in enumerate(names)}
        return {**self.model, "vocab": vocabulary, "merges": merges}


def _types(part: Any) -> set[str]:
    """Names of the parts of a pre-tokeniser."""
    if not isinstance(part, dict):
        return set()
    below = part.get("pretokenizers", ())
    return {str(part.get("type")), *(name for one in below for name in _types(one))}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in of each byte (Radford et al. 2019)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()
