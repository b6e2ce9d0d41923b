"""Documents within bounds of length."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count


class LengthFilter(Component):
    """Drops documents that are too short or too long, by reasons `too_short` and `too_long`."""

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "length")

    min_characters: Count = Field(default=10, ge=1)
    """A shorter document is dropped. Characters, so that it means something for Chinese too."""
    max_characters: Count | None = None
    """A longer document is dropped; no bound unless given."""

    @model_validator(mode="after")
    def _ordered(self) -> LengthFilter:
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise ValueError(
                f"max_characters {self.max_characters} is below min_characters {self.min_characters}"
            )
        return self

    def build(self) -> Cleaner:
        least, most = self.min_characters, self.max_characters

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                size = len(document.text)
                if size < least:
                    cleaned.dropped.append(
                        Dropped("too_short", document.place, f"{size} characters, fewer than {least}")
                    )
                elif most is not None and size > most:
                    cleaned.dropped.append(
                        Dropped("too_long", document.place, f"{size} characters, more than {most}")
                    )
                else:
                    cleaned.documents.append(document)
            return cleaned

        return clean
