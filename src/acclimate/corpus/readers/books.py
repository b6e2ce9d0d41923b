"""Plain collections of English and Chinese prose: books by sentences, newswire in SGML, pages of the web in JSON."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, as_fields, plain, wrong
from acclimate.corpus.readers.line_breaks import joined
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.recipe.units import Count


class Bookcorpus(StandardCorpus):
    """BookCorpus (Zhu et al. 2015) and its like: sentences or paragraphs a line.

    A file is a book, and a document; of `books_large_p1.txt`, where books follow each other without a mark, say how
    many sentences make a document. Records: text.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "bookcorpus")

    sentences: Count | None = Field(default=None, ge=1)
    """Lines that make a document; by default all of a file, which is a book then."""

    def build(self) -> BookcorpusReader:
        return BookcorpusReader(self)


class BookcorpusReader(ShapedReader):
    patterns = ("*.txt",)
    expected = "a sentence or paragraph a line"

    def __init__(self, settings: Bookcorpus) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        lines: list[str] = []
        first = 0
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            if not text or text.isspace():
                continue
            first = first or number
            lines.append(text.strip())
            if len(lines) == self.settings.sentences:
                yield plain(file.place(first), {"text": "\n".join(lines)})
                lines, first = [], 0
        if lines:
            yield plain(file.place(first), {"text": "\n".join(lines)})


_DOC = re.compile(r'<DOC\s+id="([^"]*)"\s+type="([^"]*)"\s*>', re.IGNORECASE)


class Gigaword(StandardCorpus):
    """Gigaword (Graff & Cieri 2003; Chinese too): newswire in SGML, `<DOC id= type=>` with headline and paragraphs.

    Records: text (paragraphs on lines, their broken lines joined), headline, dateline, id, type. The pairs of article
    and title that summaries are learnt from are aligned files: the reader `moses` with `sides: [article, title]`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "gigaword")

    types: list[str] = Field(default=["story"], min_length=1)
    """Which kinds of documents are taken; besides `story` there are `multi`, `advis` and `other`."""

    def build(self) -> GigawordReader:
        return GigawordReader(self)


class GigawordReader(ShapedReader):
    patterns = ("*_eng_*", "*_cmn_*", "*.sgml", "*.sgm")
    expected = '`<DOC id="…" type="story">`'

    def __init__(self, settings: Gigaword) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        article: _Article | None = None
        for line in file.lines():
            if isinstance(line, Dropped):
                if article is None:
                    yield line
                else:
                    article.bad = line
                continue
            number, text = line
            if opened := _DOC.match(text.strip()):
                if article is not None:
                    yield article.unfinished()
                article = _Article(file.place(number), html.unescape(opened[1]), opened[2])
            elif text.strip().upper() == "</DOC>" and article is not None:
                yield article.entry(self.settings.types)
                article = None
            elif article is not None:
                article.add(text.strip())
            elif text.strip():
                yield wrong(file.place(number), self.expected, text)
        if article is not None:
            yield article.unfinished()


class _Article:
    def __init__(self, place: str, name: str, kind: str) -> None:
        self._place, self._name, self._kind = place, name, kind
        self._parts: dict[str, list[list[str]]] = {}
        self._in: str | None = None
        self.bad: Dropped | None = None

    def add(self, line: str) -> None:
        tag = line.upper()
        if tag in ("<HEADLINE>", "<DATELINE>", "<TEXT>"):
            self._in = tag[1:-1]
            self._parts.setdefault(self._in, [[]])
        elif tag in ("</HEADLINE>", "</DATELINE>", "</TEXT>"):
            self._in = None
        elif tag in ("<P>", "</P>"):
            self._parts.setdefault("TEXT", [[]]).append([])
        elif line and self._in:
            self._parts[self._in][-1].append(html.unescape(line))

    def entry(self, kinds: list[str]) -> Entry | Dropped:
        if self.bad is not None:
            return self.bad
        if self._kind not in kinds:
            return Dropped("other_type", self._place, f"the type is {self._kind!r}")
        fields: Fields = {
            name: "\n".join(filter(None, map(joined, self._parts.get(key, [])))) for name, key in _PARTS
        }
        return plain(self._place, {**fields, "id": self._name, "type": self._kind})

    def unfinished(self) -> Dropped:
        return wrong(self._place, "a </DOC> before the next <DOC>", f"{self._name} without one")


_PARTS = (("text", "TEXT"), ("headline", "HEADLINE"), ("dateline", "DATELINE"))


class Webtext(StandardCorpus):
    """WebText-style JSON lines (Radford et al. 2019): `{"id", "ended", "length", "text"}`, a web page a line.

    Records: text and the other members.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "webtext")

    def build(self) -> WebtextReader:
        return WebtextReader(self)


class WebtextReader(ShapedReader):
    patterns = ("*.jsonl", "*.json")
    expected = 'an object a line with "text", as {"id": 0, "ended": true, "length": 42, "text": "…"}'

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        for row in file.objects(self.expected):
            if isinstance(row, Dropped):
                yield row
            elif isinstance(row[1].get("text"), str):
                yield plain(file.place(row[0]), as_fields(row[1]))
            else:
                yield wrong(file.place(row[0]), self.expected, row[1])
