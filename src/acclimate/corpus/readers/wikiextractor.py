"""Articles in `<doc>` marks: what WikiExtractor makes of a Wikipedia dump, as text or as JSON lines."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, as_fields, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

_OPEN = re.compile(r"<doc\s+(.*)>\s*$")
_ATTRIBUTE = re.compile(r'(\w+)="(.*?)"(?=\s+\w+=|\s*$)')


class Wikiextractor(StandardCorpus):
    """WikiExtractor's output: `<doc id= url= title=> … </doc>`, or JSON lines (`--json`).

    Records: text (without the title line), title, id, url. Pages without any text, such as redirects, are dropped
    by reason `title_only`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "wikiextractor")

    title: bool = True
    """Whether a document begins with its title on a line of its own."""

    def build(self) -> WikiextractorReader:
        return WikiextractorReader(self)


class WikiextractorReader(ShapedReader):
    patterns = ("wiki_*",)
    expected = 'a line `<doc id="…" url="…" title="…">`, or an object with title and text'

    def __init__(self, settings: Wikiextractor) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        if file.first_line().startswith("{"):
            for row in file.objects(self.expected):
                if isinstance(row, Dropped):
                    yield row
                elif not isinstance(row[1].get("text"), str) or not isinstance(row[1].get("title"), str):
                    yield wrong(file.place(row[0]), self.expected, row[1])
                else:
                    fields = as_fields(row[1])
                    yield self._page(file.place(row[0]), fields, [fields.pop("text")])
            return
        yield from self._marked(file)

    def _marked(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        attributes: Fields | None = None
        first = 0
        body: list[str] = []
        bad: Dropped | None = None
        for line in file.lines():
            if isinstance(line, Dropped):
                bad = line
                continue
            number, text = line
            if opened := _OPEN.match(text):
                if attributes is not None:
                    yield wrong(file.place(first), "a `</doc>` before the next `<doc`", text)
                attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(opened[1])}
                first, body, bad = number, [], None
            elif text.strip() == "</doc>" and attributes is not None:
                yield bad or self._page(file.place(first), attributes, body)
                attributes, bad = None, None
            elif attributes is not None:
                body.append(text)
            elif text and not text.isspace():
                yield wrong(file.place(number), self.expected, text)
        if attributes is not None:
            yield wrong(file.place(first), "a `</doc>` before the end of the file", body[-1] if body else "")

    def _page(self, place: str, fields: Fields, lines: list[str]) -> Entry | Dropped:
        title = fields.get("title", "")
        # The extractor escapes text as HTML does.
        text = html.unescape("\n".join(lines)).strip()
        first, _, rest = text.partition("\n")
        if first.strip() == title.strip():  # the first line repeats it
            text = rest.strip()
        if not text:
            return Dropped("title_only", place, f"the page {title!r} has no text")
        record = {"text": text, **fields}
        shown = {**record, "text": f"{title}\n{text}"} if self.settings.title else record
        return Entry(place, (shown,), (record,))
