"""Elements of an XML file one after the other, each let go when the next is asked for.

A file that declares entities is refused, for a few lines of them can stand for gigabytes, or for files of the machine.
Nothing outside the file is looked up: of a document type that it names no definition is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from html import unescape
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

_PIECE = 1 << 16


class BrokenXml(Exception):
    """What is wrong, and the line where it is."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def elements(blocks: Iterable[bytes], wanted: Collection[str]) -> Iterator[Element]:
    """The root without what is in it, then every outermost element with one of these names, whole. Namespaces are left
    out of names, but for that of attributes: `uri}name`. Raises BrokenXml.
    """
    found = _Found(wanted)
    try:
        for block in blocks:
            for start in range(0, len(block), _PIECE):  # a piece's elements are all held at once
                found.parser.Parse(block[start : start + _PIECE], False)
                yield from found.taken()
        found.parser.Parse(b"", True)
        yield from found.taken()
    except expat.ExpatError as error:
        yield from found.taken()
        raise BrokenXml(error.lineno, expat.ErrorString(error.code)) from None


class _Found:
    """Builds what is wanted while the parser goes through the file."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._refuse
        # One that only the definition of the document type declares: HTML's, as a rule.
        self.parser.SkippedEntityHandler = lambda name, _: self._text(unescape(f"&{name};"))
        self._wanted = wanted
        self._builder: TreeBuilder | None = None
        self._depth = 0
        self._rooted = False
        self._ready: list[Element] = []

    def taken(self) -> list[Element]:
        """What is finished since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition("}")[2]
        if not self._rooted:
            self._rooted = True
            self._ready.append(Element(name, attributes))
        if self._builder is None and name in self._wanted:
            self._builder = TreeBuilder()
        if self._builder is not None:
            self._builder.start(name, attributes)
            self._depth += 1

    def _end(self, name: str) -> None:
        if self._builder is None:
            return
        self._builder.end(name.rpartition("}")[2])
        self._depth -= 1
        if not self._depth:
            self._ready.append(self._builder.close())
            self._builder = None

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

    def _refuse(self, name: str, *_: object) -> NoReturn:
        raise BrokenXml(self.parser.CurrentLineNumber, f"it declares the entity {name!r}, which is not read")
