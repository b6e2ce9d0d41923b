"""Text that was decoded in the wrong encoding, put right."""

from __future__ import annotations

from typing import ClassVar

from acclimate.corpus.document import Cleaned, Cleaner, Document
from acclimate.recipe.settings import Component


class Mojibake(Component):
    """Repairs text that was encoded as UTF-8 and read as something else (`Ã©` for `é`), also several times over.

    Done line by line with ftfy (Speer 2019), which changes what looks like such a mistake and nothing else;
    its other repairs (quotes, widths) are left off. Documents that were changed are counted as `mojibake`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "mojibake")

    def build(self) -> Cleaner:
        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                text = repaired(document.text)
                if text == document.text:
                    cleaned.documents.append(document)
                else:
                    cleaned.change(document, text, "mojibake")
            return cleaned

        return clean


def repaired(text: str) -> str:
    """The text with each line decoded as it should have been."""
    if text.isascii():
        return text
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    if not is_bad("\n".join(line for line in text.split("\n") if not line.isascii())):
        return text
    return "\n".join(line if line.isascii() else fix_encoding(line) for line in text.split("\n"))
