"""A tokenizer's vocabulary as a list of entries that can grow: what the three algorithms have in common.

An entry is spelt as the model sees it: `##itis`, `Ġheart`, `▁heart`. Ids are given in the end, by place in the list.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))


class Entries(ABC):
    """The vocabulary of one tokenizer.json."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.model: dict[str, Any] = spec["model"]
        self.added: list[dict[str, Any]] = spec.get("added_tokens") or []
        self.names: list[str] = self._names()
        """Of the model's entries, in the order of their ids; then those that were added."""
        self.known = set(self.names) | {token["content"] for token in self.added}
        self.new: list[str] = []
        """What was asked for and is there now."""
        self.steps: list[str] = []
        """What had to come with it, for it could not be reached otherwise."""

    @abstractmethod
    def _names(self) -> list[str]: ...

    @abstractmethod
    def joined(self, pieces: list[str]) -> str | None:
        """The entry that stands for these pieces; None when there can be none."""

    @abstractmethod
    def add(self, entry: str) -> None:
        """Make the algorithm give `entry` for the text that it spells."""

    @abstractmethod
    def readable(self, entry: str) -> str | None:
        """The text of an entry; None when it is no whole characters."""

    @abstractmethod
    def write_model(self, names: list[str]) -> dict[str, Any]:
        """The model's part of tokenizer.json, with exactly these entries, numbered as they stand."""

    def single(self, entry: str) -> bool:
        """Whether it is one character, which other text may need to be spelt."""
        return len(self.readable(entry) or "") <= 1

    def special(self) -> set[str]:
        """Tokens that are no text: those that were added, and the unknown one."""
        unknown = self.unknown()
        return {token["content"] for token in self.added} | ({unknown} if unknown else set())

    def protected(self) -> set[str]:
        """Entries that never go."""
        return self.special() | BYTES

    def unknown(self) -> str | None:
        """The entry that stands for what cannot be spelt."""
        return self.model.get("unk_token")

    def joins_han(self) -> bool:
        """Whether Han characters, each a word of its own here, may be joined all the same."""
        return False

    def apart(self, entry: str) -> list[str]:
        """The words that the entry was before there was one."""
        return [entry]

    def _enter(self, entry: str, *, step: bool = False) -> None:
        self.names.append(entry)
        self.known.add(entry)
        (self.steps if step else self.new).append(entry)

    def forget(self, entries: set[str]) -> None:
        """Take back new entries that nothing else hangs on."""
        self.names = [name for name in self.names if name not in entries]
        self.known -= entries
        self.new = [name for name in self.new if name not in entries]

    def numbered(self, names: list[str] | None = None) -> list[str]:
        """Every token by its id: these entries (all unless given), then the added tokens that are no entries."""
        names = self.names if names is None else names
        inside = set(names)
        outside = [token for token in self.added if token["content"] not in inside]
        return [*names, *(token["content"] for token in sorted(outside, key=lambda one: one["id"]))]

    def written(self, names: list[str] | None = None) -> dict[str, Any]:
        """tokenizer.json with the tokens that are `numbered`, under those numbers."""
        names = self.names if names is None else names
        ids = {name: number for number, name in enumerate(self.numbered(names))}
        added = [
            {**token, "id": ids[token["content"]]} for token in [*self.added, *self._matched(set(names))]
        ]
        spec = {**self.spec, "added_tokens": sorted(added, key=lambda token: token["id"])}
        spec["model"] = self.write_model(names)
        spec["post_processor"] = _renumbered(self.spec.get("post_processor"), ids)
        if spec.get("padding"):
            spec["padding"] = {**spec["padding"], "pad_id": ids[spec["padding"]["pad_token"]]}
        return spec

    def _matched(self, names: set[str]) -> list[dict[str, Any]]:
        """New entries that are found in the raw text before the model sees it."""
        return []

    def backend(self, names: list[str] | None = None) -> Tokenizer:
        """The tokenizer with these entries, without truncation and padding; special tokens in a text are text."""
        from tokenizers import Tokenizer

        made = Tokenizer.from_str(json.dumps(self.written(names), ensure_ascii=False))
        made.no_truncation()
        made.no_padding()
        made.encode_special_tokens = True
        return made


def _renumbered(processor: Any, ids: dict[str, int]) -> Any:
    """A post-processor with the ids that its tokens have now."""
    if not isinstance(processor, dict):
        return processor
    changed = dict(processor)
    if processor.get("type") == "Sequence":
        changed["processors"] = [_renumbered(one, ids) for one in processor["processors"]]
    for key in ("sep", "cls"):
        if isinstance(processor.get(key), list):
            changed[key] = [processor[key][0], ids[processor[key][0]]]
    if processor.get("type") == "TemplateProcessing":
        changed["special_tokens"] = {
            name: {**one, "ids": [ids[token] for token in one["tokens"]]}
            for name, one in processor["special_tokens"].items()
        }
    return changed


def entries_of(spec: dict[str, Any], place: str) -> Entries:
    """For the algorithm of a tokenizer.json. Raises UserError for one whose vocabulary cannot be adapted."""
    from acclimate.tokenizer.adapt.bpe_entries import BpeEntries
    from acclimate.tokenizer.adapt.unigram_entries import UnigramEntries
    from acclimate.tokenizer.adapt.wordpiece_entries import WordPieceEntries

    kinds: dict[str, type[Entries]] = {
        "WordPiece": WordPieceEntries,
        "BPE": BpeEntries,
        "Unigram": UnigramEntries,
    }
    kind = str(spec["model"].get("type"))
    if kind not in kinds:
        raise UserError(
            f"{place}: the vocabulary of a {kind} tokenizer cannot be adapted; it works for {', '.join(kinds)}"
        )
    return kinds[kind](spec)


def by_id(vocabulary: dict[str, int]) -> list[str]:
    """Entries in the order of their ids."""
    return [name for name, _ in sorted(vocabulary.items(), key=lambda item: item[1])]
