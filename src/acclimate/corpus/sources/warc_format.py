"""Crawls as records: the pages of a WARC or ARC file, the texts of a WET file."""

from __future__ import annotations

from collections.abc import Iterator

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.format import Choices, Format, Input, SourceFile
from acclimate.corpus.sources.html_format import page_records
from acclimate.corpus.sources.http_message import media_type, response_of
from acclimate.corpus.sources.warc_records import Crawled, crawled

_PAGES = ("text/html", "application/xhtml+xml")
_GOOD = range(200, 300)
_ROOM = 1 << 16
"""For the headers of HTTP, beyond the page itself."""


def by_page_of_crawl(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    """A record for each page that a server gave (its HTML as it stands, decoded) and each text of a WET file, with
    `url`, `date`, and `title` or `language` where they are told.

    Dropped are what is neither (`not_a_page`), answers that were no success (`http_status`), other kinds of content
    (`not_html`), and what is damaged (`malformed_warc`, `malformed_http`, `truncated`, `content_encoding`, `bomb`).
    """
    for one in crawled(input.blocks(), 4 * choices.max_characters + _ROOM):
        place = f"{file.path}:{one.number}"
        if one.fault:
            yield Dropped(one.fault, place, one.detail)
            continue
        try:
            yield from _record(file, place, one, choices)
        except BrokenStream as error:
            yield Dropped(error.reason, place, error.detail)


def _record(file: SourceFile, place: str, one: Crawled, choices: Choices) -> Iterator[Record | Dropped]:
    kind = one.headers.get("warc-type", "").lower()
    told = {
        "url": one.headers.get("warc-target-uri", "").strip("<>"),
        "date": one.headers.get("warc-date", ""),
        "language": one.headers.get("warc-identified-content-language", ""),
    }
    fields = {name: value for name, value in told.items() if value}
    content = media_type(one.headers.get("content-type", ""))
    if kind == "conversion" and content == "text/plain":
        yield _text(file, place, one.block, choices, fields)
    elif kind == "resource" and content in _PAGES:
        yield from page_records(file, place, one.block, choices, fields)
    elif kind == "response" and content in ("application/http", ""):
        response = response_of(one.block, 4 * choices.max_characters)
        if response.status not in _GOOD:
            yield Dropped("http_status", place, f"the server answered {response.status}")
        elif response.content_type not in _PAGES:
            yield Dropped("not_html", place, f"it is {response.content_type or 'of no told type'}")
        else:
            yield from page_records(file, place, response.body, choices, fields, response.charset)
    else:
        yield Dropped(
            "not_a_page", place, f"a record of type {kind or '(none)'}, {content or 'no type told'}"
        )


def _text(
    file: SourceFile, place: str, block: bytes, choices: Choices, fields: dict[str, str]
) -> Record | Dropped:
    try:
        text = block.decode().replace("\r\n", "\n").strip("\n")
    except UnicodeDecodeError as error:
        return Dropped("invalid_encoding", place, str(error))
    if "\0" in text:
        return Dropped("nul_bytes", place, f"{text.count(chr(0))} NUL bytes")
    if len(text) > choices.max_characters:
        return Dropped("too_long", place, f"{len(text)} characters, more than {choices.max_characters}")
    if not text or text.isspace():
        return Dropped("empty", place, "nothing but white space")
    return Record(file.name, place, {"text": text, **fields})


FORMAT = Format(
    name="warc",
    extensions=(".warc", ".wet", ".wat", ".arc"),
    read=by_page_of_crawl,
    columns="none",
)
