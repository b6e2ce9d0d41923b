"""Main text out of HTML."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from acclimate.corpus.clean.main_text import all_text, main_text
from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component

_TAG = re.compile(r"<(?:[a-zA-Z][a-zA-Z0-9]*[\s/>]|/[a-zA-Z]|!--|!doctype\b)", re.IGNORECASE)


class Html(Component):
    """Takes the text out of documents that are HTML; what has no text is dropped by reason `no_main_text`.

    By default only the main text, without menus, side bars, share buttons, related items and comments: blocks
    are judged by the names of the elements around them, by their share of links and by the marks of sentences
    (after Kohlschütter et al. 2010, "Boilerplate detection using shallow text features"). A document without
    a single tag is left as it is. Documents that became text are counted as changed.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "html")
    bare: ClassVar[str | None] = "keep"

    keep: Literal["main", "all"] = "main"
    """`main` text, or `all` that the page shows; `all` for forums and pages that are lists."""

    def build(self) -> Cleaner:
        extract = main_text if self.keep == "main" else all_text

        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                if _TAG.search(document.text) is None:
                    cleaned.documents.append(document)
                    continue
                text = extract(document.text)
                if text:
                    cleaned.change(document, text, "html")
                else:
                    detail = f"{len(document.text)} characters of HTML that show no text"
                    cleaned.dropped.append(Dropped("no_main_text", document.place, detail))
            return cleaned

        return clean
