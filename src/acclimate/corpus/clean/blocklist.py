"""Documents with too many phrases of a list that the user supplies."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import model_validator

from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.errors import UserError
from acclimate.recipe.paths import DataPath
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count, Share

Spans = list[tuple[int, int]]


class Blocklist(Component):
    """Drops documents that hold phrases of a list, by reason `blocklist`; no list comes with the package.

    Case does not matter. In text with spaces a phrase is found only as whole words; Chinese and other text
    without spaces anywhere. All phrases are looked for at once (Aho and Corasick 1975; needs
    `pip install 'acclimate[text]'`).
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "blocklist")
    bare: ClassVar[str | None] = "phrases"

    phrases: DataPath
    """A text file in UTF-8 with a phrase a line; blank lines and lines that begin with `#` are passed over."""
    max_count: Count | None = 0
    """Most occurrences in a document that stays; null: any number."""
    max_share: Share | None = None
    """Greatest share of a document's characters that may stand in such phrases; no bound unless given."""

    @model_validator(mode="after")
    def _some_bound(self) -> Blocklist:
        if self.max_count is None and self.max_share is None:
            raise ValueError("max_count or max_share must be given, or nothing is ever dropped")
        return self

    def build(self) -> Cleaner:
        """Raises UserError where the list cannot be read or is empty."""
        find = finder(read_phrases(Path(self.phrases)))

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                folded = document.text.casefold()
                fault = self._fault(folded, find(folded))
                if fault is None:
                    cleaned.documents.append(document)
                else:
                    cleaned.dropped.append(Dropped("blocklist", document.place, fault))
            return cleaned

        return clean

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """What the step's identity hangs on besides its settings: the list. Raises UserError when it is no file."""
        if not Path(self.phrases).is_file():
            raise UserError(f"{self.phrases}: expected a file with a phrase a line; there is none")
        return {"phrases": digests(Path(self.phrases))}

    def _fault(self, text: str, found: Spans) -> str | None:
        if self.max_count is not None and len(found) > self.max_count:
            some = ", ".join(repr(text[start:end]) for start, end in found[:3])
            return f"{len(found)} phrases of the list ({some}), more than {self.max_count}"
        share = sum(end - start for start, end in found) / max(1, len(text))
        if self.max_share is not None and share > self.max_share:
            return f"{share:.2%} of it in phrases of the list, more than {self.max_share:.2%}"
        return None


def read_phrases(path: Path) -> list[str]:
    """The phrases of a file, casefolded. Raises UserError."""
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the list of phrases cannot be read: {error}") from error
    phrases = [" ".join(line.casefold().split()) for line in lines if not line.startswith("#")]
    found = sorted({phrase for phrase in phrases if phrase})
    if not found:
        raise UserError(f"{path}: the list of phrases is empty")
    return found


def finder(phrases: list[str]) -> Callable[[str], Spans]:
    """find(casefolded text) → (start, end) of the phrases in it; those that overlap count as one."""
    try:
        import ahocorasick
    except ImportError as error:
        raise UserError("blocklist needs pyahocorasick: pip install 'acclimate[text]'") from error
    automaton = ahocorasick.Automaton()
    for phrase in phrases:
        automaton.add_word(phrase, (len(phrase), _joins(phrase[0]), _joins(phrase[-1])))
    automaton.make_automaton()

    def find(text: str) -> Spans:
        found: Spans = []
        for last, (size, joins_before, joins_after) in automaton.iter(text):
            start, end = last + 1 - size, last + 1
            if joins_before and start and _joins(text[start - 1]):
                continue
            if joins_after and end < len(text) and _joins(text[end]):
                continue
            while found and start <= found[-1][0]:
                found.pop()
            if found and start < found[-1][1]:
                start, _ = found.pop()
            found.append((start, end))
        return found

    return find


_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def _joins(char: str) -> bool:
    """Whether the character makes a longer word with its neighbour: a letter or digit of a script with spaces."""
    return char.isalnum() and (char.isascii() or not unicodedata.name(char, "").startswith(_UNSPACED))
