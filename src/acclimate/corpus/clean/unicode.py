"""One spelling for the same text: normal form, line ends, no invisible characters."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar, Literal

from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Controls, soft hyphen, zero-width space, direction marks, invisible operators, byte-order mark, non-characters.
# Zero-width joiner and non-joiner stay: Persian, Indic scripts and emoji are spelt with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff]"
)
_EITHER = re.compile(f"{_LINE_ENDS.pattern}|{_INVISIBLE.pattern}")


class Unicode(Component):
    """Normalises Unicode, turns every line end into one newline, removes invisible characters, strips.

    Removed are control characters, zero-width spaces, direction marks, soft hyphens and stray byte-order
    marks. What is left empty is dropped by reason `empty`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "unicode")
    bare: ClassVar[str | None] = "form"

    form: Literal["NFC", "NFKC"] = "NFC"
    """Normal form (Unicode Standard Annex 15): NFC keeps all differences that can be seen; NFKC also makes
    full-width letters and digits, ligatures and circled numbers plain."""

    def build(self) -> Cleaner:
        form = self.form

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                text = normalised(document.text, form)
                if not text:
                    detail = f"{len(document.text)} characters, all of them white space or invisible"
                    cleaned.dropped.append(Dropped("empty", document.place, detail))
                elif text is document.text:
                    cleaned.documents.append(document)
                else:
                    cleaned.change(document, text, "unicode")
            return cleaned

        return clean


def normalised(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """The text in its normal form, without invisible characters and outer white space."""
    # The first two tests are the quick ones: most texts have no other characters that cannot be printed.
    if (
        not text.isprintable()
        and not text.replace("\n", "").replace("\t", "").isprintable()
        and _EITHER.search(text)
    ):
        text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    if not text.isascii():
        text = unicodedata.normalize(form, text)
    return text.strip()
