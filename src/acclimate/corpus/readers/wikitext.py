"""Language-model benchmarks of tokens in lines: WikiText and the Penn Treebank.

Without `detokenise` the documents, joined by line ends, are the file again, so that published token counts hold
(a token for each line end).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, plain, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

_TITLE = re.compile(r" ?= ([^=].*[^=]|[^=]) = ?$")


class Wikitext(StandardCorpus):
    """WikiText-2 and WikiText-103 (Merity et al. 2017): articles of tokens, with `<unk>` and `@-@`.

    Records: text, title (of the article).
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "wikitext")

    documents: Literal["article", "line"] = "article"
    """What one document is: an article from its ` = Title = ` line on, or a `line` that is not blank."""
    detokenise: bool = False
    """Write words and marks as in running text: `@-@` becomes `-`, no space before a comma, no blank lines."""

    def build(self) -> WikitextReader:
        return WikitextReader(self)


class WikitextReader(ShapedReader):
    patterns = ("wiki.*.tokens", "wiki.*.raw", "wiki.*.txt")
    expected = "an article that begins with a line ` = Title = `"

    def __init__(self, settings: Wikitext) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        articles = self._articles(file)
        if self.settings.documents == "article":
            for number, title, lines in articles:
                if isinstance(lines, Dropped):
                    yield lines
                else:
                    text = "\n".join(line for _, line in lines)
                    if self.settings.detokenise:
                        text = "\n".join(filter(None, (detokenised(line) for _, line in lines)))
                    yield plain(file.place(number), {"text": text, "title": title})
            return
        for number, title, lines in articles:
            if isinstance(lines, Dropped):
                yield lines
                continue
            for number, line in lines:
                if not line or line.isspace():
                    yield Dropped("empty", file.place(number), "a blank line")
                else:
                    text = detokenised(line) if self.settings.detokenise else line
                    yield plain(file.place(number), {"text": text, "title": title})

    def _articles(self, file: CorpusFile) -> Iterator[tuple[int, str, list[tuple[int, str]] | Dropped]]:
        """(first line, title, lines) of each article; a bad line comes alone. Blank lines before the first title
        belong to it."""
        held: list[tuple[int, str]] = []
        title = ""
        last: tuple[int, str] | None = None
        for line in file.lines():
            if isinstance(line, Dropped):
                yield 0, "", line
                continue
            held.append(line)
            # A title stands between blank lines; a line of a table or of references may look like one.
            found = _TITLE.match(last[1]) if last is not None and _blank(line[1]) else None
            if found and all(_blank(before) for _, before in held[-3:-2]):
                if title:
                    yield held[0][0], title, held[:-2]
                    held = held[-2:]
                title = found[1].strip()
            elif not title and last is not None and not _blank(last[1]):
                yield 0, "", wrong(file.place(last[0]), self.expected, last[1])
                held.remove(last)
            last = line
        if title:
            yield held[0][0], title, held
        elif last is not None:
            yield 0, "", wrong(file.place(last[0]), self.expected, last[1])


def _blank(line: str) -> bool:
    return not line or line.isspace()


class Ptb(StandardCorpus):
    """Penn Treebank as Mikolov et al. (2010) prepared it: a sentence a line, lower case, `<unk>`, `N` for numbers.

    Records: text.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "ptb")

    documents: Literal["line", "file"] = "line"
    """What one document is: a sentence (`line`), or the whole `file`, for sentences of one article follow each
    other."""

    def build(self) -> PtbReader:
        return PtbReader(self)


class PtbReader(ShapedReader):
    patterns = ("ptb.*.txt",)
    expected = (
        "a sentence in lower case with a space before its first word, as ` no it was n't black monday `"
    )

    def __init__(self, settings: Ptb) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        whole: list[str] = []
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            fields: Fields = {"text": text}
            if not text or text.isspace():
                yield Dropped("empty", file.place(number), "a blank line")
            elif any(word != word.lower() for word in text.split() if word != "N"):
                yield wrong(file.place(number), self.expected, text)
            elif self.settings.documents == "line":
                yield plain(file.place(number), fields)
            else:
                whole.append(text)
        if whole:
            yield plain(file.place(1), {"text": "\n".join(whole)})


_HEADING = re.compile(r"(?:= )+(.*?)(?: =)+")
_INSIDE = re.compile(r" @([-,.])@ ")
_BEFORE = re.compile(r" ([,.;:!?%)\]’”]|'s\b|n't\b|'(?:re|ve|ll|d|m)\b)")
_AFTER = re.compile(r"([(\[$£“]) ")
_QUOTED = re.compile(r'" ([^"]*?) "')


def detokenised(line: str) -> str:
    """A line of WikiText as one would write it; a heading without its signs."""
    line = line.strip()
    if heading := _HEADING.fullmatch(line):
        line = heading[1]
    line = _INSIDE.sub(r"\1", line)
    line = _QUOTED.sub(r'"\1"', line)
    return _AFTER.sub(r"\1", _BEFORE.sub(r"\1", line))
