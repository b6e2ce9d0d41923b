"""Documents in the wanted languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from pydantic import Field, field_validator

from acclimate.corpus.clean.chinese_scripts import SIMPLIFIED, TRADITIONAL, script_of
from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.errors import UserError
from acclimate.recipe.settings import Component, nearest
from acclimate.recipe.units import Share

Judge = Callable[[str], tuple[str, float]]
_PIECE = 300
_MOST_PIECES = 20


class Language(Component):
    """Drops documents in other languages, by reason `language`.

    The language is told by the script where one language alone writes it (a text of Han characters is Chinese,
    however short), else guessed from 2,000 characters of beginning, middle and end (py3langid: Lui and Baldwin
    2012); below some twenty characters, and for code, the guess is poor. Works offline.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "language")
    bare: ClassVar[str | None] = "keep"

    keep: list[str] = Field(min_length=1)
    """Codes of the languages that stay, such as `[en, zh]` (ISO 639); `zh-Hans` and `zh-Hant` are Chinese in
    simplified and in traditional characters alone."""
    min_confidence: Share = 0.0
    """A guess with less probability than this drops the document too; 0 believes every guess."""
    min_share: Share = 0.0
    """Least share of a document that must be in kept languages, judged in pieces of 300 characters; 0 judges
    it as a whole, by what most of it is in. Ours."""

    @field_validator("keep", mode="before")
    @classmethod
    def _one_language(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def build(self) -> Cleaner:
        """Raises UserError for a code that the identifier does not know."""
        for _, message in self.check():
            raise UserError(f"language: {message}")
        judge = self._judge()

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                fault = self._fault(document.text, judge)
                if fault is None:
                    cleaned.documents.append(document)
                else:
                    cleaned.dropped.append(Dropped("language", document.place, fault))
            return cleaned

        return clean

    def check(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Codes that the identifier does not know. Only its model has the list, so loading settings cannot tell."""
        from acclimate.corpus.clean.languages import known_languages

        codes = (*known_languages(), SIMPLIFIED, TRADITIONAL)
        return [
            (("keep", number), f"unknown code {code!r}; {nearest(code, codes)}")
            for number, code in enumerate(self.keep)
            if code not in codes
        ]

    def _fault(self, text: str, judge: Judge) -> str | None:
        """Why the text is not in a kept language; None when it is."""
        code, confidence = judge(text)
        if code not in self.keep:
            return f"{code} ({confidence:.2f}), not one of {', '.join(self.keep)}"
        if confidence < self.min_confidence:
            return f"{code} with probability {confidence:.2f}, less than {self.min_confidence:g}"
        if self.min_share:
            pieces = list(_pieces(text))
            kept = sum(len(piece) for piece in pieces if judge(piece)[0] in self.keep)
            share = kept / max(1, sum(map(len, pieces)))
            if share < self.min_share:
                return f"{share:.0%} of it in {', '.join(self.keep)}, less than {self.min_share:.0%}"
        return None

    def _judge(self) -> Judge:
        from acclimate.corpus.clean.languages import language_of

        if SIMPLIFIED not in self.keep and TRADITIONAL not in self.keep:
            return language_of

        def judge(text: str) -> tuple[str, float]:
            code, confidence = language_of(text)
            if code != "zh" or "zh" in self.keep:
                return code, confidence
            script, share = script_of(text)
            # A text that both scripts write alike is in whichever is wanted.
            wanted = next(one for one in self.keep if one in (SIMPLIFIED, TRADITIONAL))
            return (script, share) if script else (wanted, 1.0)

        return judge


def _pieces(text: str) -> Iterator[str]:
    """Pieces with something to judge in them, from all over the text, at most twenty."""
    count = max(1, round(len(text) / _PIECE))
    for number in range(0, count, -(-count // _MOST_PIECES)):
        piece = text[len(text) * number // count : len(text) * number // count + _PIECE]
        if any(map(str.isalpha, piece)):
            yield piece
