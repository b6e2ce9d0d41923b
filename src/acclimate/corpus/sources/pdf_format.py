"""PDF files with a text layer as records, by PDFium: a file or a page each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.format import Choices, Format, Input, SourceFile
from acclimate.corpus.sources.jsonl_format import unwritable

_PASSWORD = 4
"""PDFium's error for a file that wants one."""


def by_pdf(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    """The text layer, pages apart by a blank line, with `pages` and `title`; or a record a page with its number in
    `page`. Dropped by reason `no_text_layer` where there is none, as in scans, and `encrypted`.
    """
    import pypdfium2 as pdfium

    with input.seekable() as opened:
        stored = opened.seek(0, 2)
        opened.seek(0)
        try:
            document = pdfium.PdfDocument(opened)
        except pdfium.PdfiumError as error:
            encrypted = getattr(error, "err_code", None) == _PASSWORD
            reason = "encrypted" if encrypted else "corrupt"
            raise BrokenStream(reason, f"cannot be opened: {error}") from error
        told = {"title": str(document.get_metadata_value("Title") or "").replace("\0", "").strip()}
        fields = {name: value for name, value in told.items() if value}
        pages: list[str] = []
        characters = 0
        for number in range(len(document)):
            text = _page_text(document, number)
            if choices.documents == "page":
                about = {**fields, "page": str(number + 1)}
                yield _record(file, f"{file.path}:{number + 1}", text, about, choices)
                continue
            characters += len(text) + 2
            if characters > choices.max_characters:
                raise BrokenStream("too_long", f"more than {choices.max_characters} characters")
            pages.append(text)
        if choices.documents != "page":
            about = {**fields, "pages": str(len(document))}
            whole = "\n\n".join(page for page in pages if page)
            yield _record(file, str(file.path), whole, about, choices)
        input.count(stored)


def _page_text(document: Any, number: int) -> str:
    import pypdfium2 as pdfium

    try:
        page = document[number]
        layer = page.get_textpage()
        text = layer.get_text_bounded()
    except pdfium.PdfiumError:
        return ""
    # U+FFFE and U+0002 stand for hyphens at line ends, NUL for glyphs whose character nobody knows.
    text = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\ufffe", "").replace("\x02", "")
    return text.replace("\0", "\ufffd").strip()


def _record(
    file: SourceFile, place: str, text: str, fields: dict[str, str], choices: Choices
) -> Record | Dropped:
    if not text:
        return Dropped("no_text_layer", place, "no text is written in it; is it a scan?")
    if len(text) > choices.max_characters:
        return Dropped("too_long", place, f"{len(text)} characters, more than {choices.max_characters}")
    fields = {"text": text, **fields}
    if reason := unwritable(fields):
        return Dropped(reason, place, "in its text")
    return Record(file.name, place, fields)


FORMAT = Format(
    name="pdf",
    extensions=(".pdf",),
    read=by_pdf,
    columns="none",
    units=("file", "page"),
    isolated=True,
    needs=("pypdfium2", "pdf"),
)
