"""WikiLingua: how-to articles by sections, each with a summary, in eighteen languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, as_fields, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus


class Wikilingua(StandardCorpus):
    """WikiLingua (Ladhak et al. 2020): how-to articles with a summary a section.

    JSON lines `{"url", "article": {"section_name": […], "document": […], "summary": […]}}`, as the data set's hub
    writes them; one JSON object url → section → {document, summary}, as the authors' files hold (theirs are pickles,
    which are never loaded: convert them); and the cross-lingual edition's lines `{"source", "target"}`. Records, one a
    section: document, summary, section_name, url and what ties it to English. A document is an article, its sections'
    texts on lines.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "wikilingua")

    def build(self) -> WikilinguaReader:
        return WikilinguaReader(self)


_LISTED = ("section_name", "document", "summary", "english_url", "english_section_name")


class WikilinguaReader(ShapedReader):
    patterns = ("*.jsonl", "*.json")
    expected = (
        'lines {"url", "article": {"section_name", "document", "summary"}} or {"source", "target"}, or one object '
        '{url: {section: {"document", "summary"}}}'
    )

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        first = file.first_line()
        if first.startswith('{"http') or first == "{":
            yield from self._whole(file)
            return
        for row in file.objects(self.expected):
            if isinstance(row, Dropped):
                yield row
                continue
            try:
                yield _line(row[1], file.place(row[0]))
            except (KeyError, TypeError, ValueError, AttributeError):
                yield wrong(file.place(row[0]), self.expected, row[1])

    def _whole(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        value = file.value(self.expected)
        if isinstance(value, Dropped):
            yield value
            return
        articles = value if isinstance(value, dict) else {}
        if not articles:
            yield wrong(file.place(1), self.expected, value)
        for url, sections in articles.items():
            try:
                yield _article(
                    [
                        {**as_fields(about), "section_name": name, "url": url}
                        for name, about in sections.items()
                    ],
                    file.place(url),
                )
            except (KeyError, TypeError, AttributeError):
                yield wrong(file.place(url), self.expected, sections)


def _line(row: dict[str, Any], place: str) -> Entry:
    if "source" in row and "target" in row:
        fields = as_fields(row)
        fields["document"], fields["summary"] = fields.pop("source"), fields.pop("target")
        return _article([fields], place)
    lists = {name: row["article"][name] for name in _LISTED if name in row["article"]}
    sections: list[Fields] = [
        {**dict(zip(lists, map(str, cells), strict=True)), "url": str(row["url"])}
        for cells in zip(*lists.values(), strict=True)
    ]
    return _article(sections, place)


def _article(sections: list[Fields], place: str) -> Entry:
    if any(not isinstance(one["document"], str) or "summary" not in one for one in sections):
        raise TypeError("no document or summary")
    text = "\n".join(one["document"].strip() for one in sections)
    url = sections[0].get("url", "") if sections else ""
    return Entry(place, ({"text": text, "url": url},), sections)
