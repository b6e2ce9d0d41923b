"""Personal data: masked, or the documents dropped that hold any."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from acclimate.corpus.clean.personal_patterns import NAMES, find
from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component, nearest


class PersonalData(Component):
    """Masks personal data by a word such as `[EMAIL]`, or drops the documents, by reason `personal_data:<kind>`.

    Kinds: key (private keys, access tokens, what stands after `password:`), email, iban, national_id (China,
    United States, Spain, France, Britain), card, phone (China, North America, Europe), ip (public addresses).
    Numbers that bear a check digit must have the right one; numbers after words such as `order`, `ISBN` or 订单
    stay. Full-width forms are found too. Rules are ours; they find shapes, not names or addresses. Documents in
    which something was masked are counted by kind.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "personal_data")
    bare: ClassVar[str | None] = "action"

    action: Literal["mask", "drop"] = "mask"
    """`mask` what is found, or `drop` the document."""
    kinds: list[str] = Field(default=list(NAMES), min_length=1)
    """What is looked for."""
    mask: str = "[{KIND}]"
    """What stands in place of what was found; `{KIND}` and `{kind}` are the kind in capital and small
    letters."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in NAMES:
                raise ValueError(f"unknown kind {name!r}; {nearest(name, NAMES)}")
        return value

    def build(self) -> Cleaner:
        names = frozenset(self.kinds)
        words: dict[str, Any] = {
            name: self.mask.replace("{KIND}", name.upper()).replace("{kind}", name) for name in NAMES
        }

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                found = find(document.text, names)
                if not found:
                    cleaned.documents.append(document)
                    continue
                counts = Counter(kind for _, _, kind in found)
                if self.action == "drop":
                    # Never the datum itself: details are kept and shown.
                    detail = ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))
                    reason = f"personal_data:{found[0][2]}"
                    cleaned.dropped.append(Dropped(reason, document.place, f"{detail}, more than 0"))
                    continue
                text = _masked(document.text, found, words)
                cleaned.documents.append(Document(document.source, document.place, text, document.fields))
                cleaned.changed.update(f"personal_data:{kind}" for kind in counts)
            return cleaned

        return clean


def _masked(text: str, found: list[tuple[int, int, str]], words: dict[str, str]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, kind in found:
        parts += (text[at:start], words[kind])
        at = end
    return "".join((*parts, text[at:]))
