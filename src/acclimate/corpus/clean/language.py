"""Documents in the wanted languages."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator

from acclimate.corpus.document import Cleaner, Document, Dropped
from acclimate.errors import UserError
from acclimate.recipe.settings import Component, nearest
from acclimate.recipe.units import Share


class Language(Component):
    """Drops documents in other languages, by reason `language`.

    The language is guessed from the first 2,000 characters (py3langid); below some twenty characters, and for
    code, the guess is poor.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "language")
    bare: ClassVar[str | None] = "keep"

    keep: list[str] = Field(min_length=1)
    """Codes of the languages that stay, such as `[en, zh]` (ISO 639)."""
    min_confidence: Share = 0.0
    """A guess with less probability than this drops the document too; 0 believes every guess."""

    @field_validator("keep", mode="before")
    @classmethod
    def _one_language(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def build(self) -> Cleaner:
        """Raises UserError for a code that the identifier does not know."""
        from acclimate.corpus.clean.languages import known_languages, language_of

        for code in self.keep:
            if code not in known_languages():
                raise UserError(f"language: unknown code {code!r}; {nearest(code, known_languages())}")
        keep, least = frozenset(self.keep), self.min_confidence

        def clean(documents: list[Document]) -> tuple[list[Document], list[Dropped]]:
            kept: list[Document] = []
            dropped: list[Dropped] = []
            for document in documents:
                code, confidence = language_of(document.text)
                if code in keep and confidence >= least:
                    kept.append(document)
                else:
                    dropped.append(Dropped("language", document.place, f"{code} ({confidence:.2f})"))
            return kept, dropped

        return clean
