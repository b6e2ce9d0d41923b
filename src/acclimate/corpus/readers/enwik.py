"""Compression benchmarks made of Wikipedia: enwik8, enwik9 and text8, with the usual parts by bytes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, plain, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.recipe.units import Count

_SHARES = {"train": (0, 90), "validation": (90, 95), "test": (95, 100)}
_TAG = re.compile(r"\s*<(title|id)>(.*?)</\1>")
_TEXT = re.compile(r"\s*<text[^>]*?(/?)>(.*)", re.DOTALL)


class Enwik8(StandardCorpus):
    """enwik8 (Hutter 2006): the first 100 million bytes of an English Wikipedia dump, as XML.

    Parts are by bytes: the first 90 % are `train`, then 5 % `validation`, 5 % `test`; by default all is read.
    Records: text, of pages also title and id.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "enwik8")
    size: ClassVar[int] = 10**8

    documents: Literal["page", "raw"] = "page"
    """What one document is: the wiki text of a `page` (redirects and pages cut by a part's ends are left out), or a
    `raw` piece of the file with all its XML; those, joined by line ends, are the file."""
    piece: Count = Field(default=10_000, ge=100)
    """Characters after which a raw piece ends with its line."""

    def build(self) -> EnwikReader:
        return EnwikReader(self)


class Enwik9(Enwik8):
    """enwik9 (Hutter 2006): the first 1,000 million bytes of the same dump, with the same parts."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "enwik9")
    size: ClassVar[int] = 10**9


class EnwikReader(ShapedReader):
    patterns = ("enwik8", "enwik9", "enwik8.txt", "enwik9.txt")
    expected = "XML of a Wikipedia dump, as `  <page>`"
    parts_by_bytes = True

    def __init__(self, settings: Enwik8) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        part = file.slice(*_bytes_of(self.settings.part, self.settings.size))
        if self.settings.part in (None, "all", "train") and not file.first_line().startswith("<"):
            yield wrong(file.place(1), self.expected, file.first_line())
            return
        yield from self._raw(part) if self.settings.documents == "raw" else self._pages(part)

    def _raw(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        lines: list[str] = []
        first = size = 0
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            first = first or line[0]
            lines.append(line[1])
            size += len(line[1]) + 1
            if size > self.settings.piece:
                yield plain(file.place(first), {"text": "\n".join(lines)})
                lines, first, size = [], 0, 0
        if lines:
            yield plain(file.place(first), {"text": "\n".join(lines)})

    def _pages(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        page: dict[str, str] | None = None
        text: list[str] | None = None
        bad: Dropped | None = None
        first = 0
        for line in file.lines():
            if isinstance(line, Dropped):
                bad = line
                continue
            number, content = line
            if content.strip() == "<page>":
                page, text, bad, first = {}, None, None, number
            elif page is None:
                continue
            elif text is None and (found := _TAG.match(content)):
                page.setdefault(found[1], html.unescape(found[2]))
            elif text is None and (opened := _TEXT.match(content)):
                text = [] if opened[1] else [opened[2]]
            elif content.strip() == "</page>":
                yield bad or _page(file.place(first), page, "\n".join(text or []))
                page = None
            elif text is not None and text[-1:] != ["</text>"]:
                text.append(content)
        if page is not None:
            yield Dropped("cut_off", file.place(first), f"the page {page.get('title', '')!r} has no end")


def _page(place: str, fields: dict[str, str], text: str) -> Entry | Dropped:
    text = html.unescape(text.partition("</text>")[0])
    if text.lstrip().lower().startswith("#redirect"):
        return Dropped("redirect", place, text.strip()[:80])
    return plain(place, {"text": text, **fields})


class Text8(StandardCorpus):
    """text8 (Mahoney 2006): 100 million characters of Wikipedia in lower case, a to z and spaces, in one line.

    Parts are by bytes: the first 90 % are `train`, then 5 % `validation`, 5 % `test`; by default all is read. A
    document is a piece of the line; pieces follow each other without a gap. Records: text.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "text8")
    size: ClassVar[int] = 10**8

    piece: Count = Field(default=10_000, ge=100)
    """Characters after which a piece ends before the next space."""

    def build(self) -> Text8Reader:
        return Text8Reader(self)


class Text8Reader(ShapedReader):
    patterns = ("text8", "text8.txt")
    expected = "one line of words in lower case, a to z, with single spaces"
    parts_by_bytes = True

    def __init__(self, settings: Text8) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        held = b""
        at = 0
        for block in file.slice(*_bytes_of(self.settings.part, self.settings.size)).blocks():
            held += block
            start = 0
            while (
                len(held) - start > self.settings.piece
                and (end := held.find(b" ", start + self.settings.piece)) > 0
            ):
                yield self._piece(file, held[start:end], at + start)
                start = end
            at += start
            held = held[start:]
        if held := held.rstrip(b"\n"):
            yield self._piece(file, held, at)

    def _piece(self, file: CorpusFile, data: bytes, at: int) -> Entry | Dropped:
        place = file.place(f"1+{at}")
        if data.strip(b"abcdefghijklmnopqrstuvwxyz ") or data.translate(None, b"abcdefghijklmnopqrstuvwxyz "):
            return wrong(place, self.expected, data[:200].decode("utf-8", "replace"))
        return plain(place, {"text": data.decode("ascii")})


def _bytes_of(part: str | None, size: int) -> tuple[int, int | None]:
    if part is None or part == "all":
        return 0, None
    start, end = _SHARES[part]
    return size * start // 100, None if end == 100 else size * end // 100
