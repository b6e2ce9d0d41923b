"""HTML pages as records, one a file: the page as it stands, decoded. Its main text is a cleaner's work."""

from __future__ import annotations

from collections.abc import Iterator

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.format import Choices, Format, Input, SourceFile
from acclimate.corpus.sources.page_bytes import page_fields, page_text


def by_page(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    """The page with all its mark-up in `text`; `title` and `url` where the page tells them."""
    parts: list[bytes] = []
    size = 0
    for block in input.blocks():
        parts.append(block)
        size += len(block)
        if size > 4 * choices.max_characters:
            yield Dropped("too_long", str(file.path), f"more than {choices.max_characters} characters")
            return
    yield from page_records(file, str(file.path), b"".join(parts), choices, {})


def page_records(
    file: SourceFile,
    place: str,
    data: bytes,
    choices: Choices,
    fields: dict[str, str],
    told: str | None = None,
) -> Iterator[Record | Dropped]:
    """One record, or why there is none, of a page's bytes; `fields` are what is known of it from elsewhere."""
    if not data.strip():
        yield Dropped("empty", place, "nothing but white space")
        return
    if choices.encoding is None:
        text = page_text(data, told)
    else:
        try:
            text = data.decode(choices.encoding)
        except UnicodeDecodeError:
            text = None
    if text is None:
        yield Dropped("invalid_encoding", place, "the page is in no encoding that it, or its bytes, tell")
        return
    text = text.removeprefix("\ufeff").replace("\0", "\ufffd")
    if len(text) > choices.max_characters:
        yield Dropped("too_long", place, f"{len(text)} characters, more than {choices.max_characters}")
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        yield Dropped("invalid_encoding", place, "halves of characters")
        return
    yield Record(file.name, place, {"text": text, **fields, **page_fields(text, fields.get("url", ""))})


FORMAT = Format(
    name="html",
    extensions=(".html", ".htm", ".xhtml"),
    read=by_page,
    columns="none",
    units=("file",),
    heeds=frozenset(("encoding",)),
)
