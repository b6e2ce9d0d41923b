"""TMX: translation memories, an XML of units with a text in each language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast
from xml.etree import ElementTree

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import WRONG_SHAPE, Entry, shown
from acclimate.corpus.readers.moses import Parallel
from acclimate.corpus.readers.shaped import ShapedReader

_Event = tuple[str, ElementTree.Element]
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_PIECE = 1 << 16
_CODES = ("bpt", "ept", "it", "ph", "ut")
"""Elements inside a segment whose content is markup of the original document, not text."""


class Tmx(Parallel):
    """TMX 1.4 translation memories, as OPUS and translation tools write them.

    Records: a column for each side. A side `en` means `en`, `EN` and `en-US`. Units without one of the sides are
    dropped by reason `one_sided`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "tmx")

    def build(self) -> TmxReader:
        return TmxReader(self)


class TmxReader(ShapedReader):
    patterns = ("*.tmx",)
    expected = 'TMX: <tmx> … <tu><tuv xml:lang="en"><seg>…</seg></tuv> …</tu>'

    def __init__(self, settings: Tmx) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(events=("start", "end"))
        root: ElementTree.Element | None = None
        number = 0
        try:
            for piece in _pieces(file.blocks()):
                parser.feed(piece)
                for event, element in cast(Iterator[_Event], parser.read_events()):
                    if root is None:
                        root = element
                        if _name(root) != "tmx":
                            yield self._not_so(file, 1, f"the root is <{_name(root)}>")
                            return
                    elif event == "end" and _name(element) == "tu":
                        number += 1
                        yield self._unit(element, file.place(f"tu[{number}]"))
                        # What was read is let go; else the whole file would stay.
                        for parent in root:
                            parent.clear()
            parser.close()
        except ElementTree.ParseError as error:
            yield self._not_so(file, error.position[0], str(error))

    def _not_so(self, file: CorpusFile, line: int, why: str) -> Dropped:
        found = (
            shown(file.first_line()) if line == 1 else f"XML that breaks off after {self.expected[:3]} began"
        )
        return Dropped(WRONG_SHAPE, file.place(line), f"expected {self.expected}, found {found}: {why}")

    def _unit(self, unit: ElementTree.Element, place: str) -> Entry | Dropped:
        texts = dict.fromkeys(self.settings.sides, "")
        for variant in unit:
            if _name(variant) != "tuv":
                continue
            language = (variant.get(_LANGUAGE) or variant.get("lang") or "").lower().replace("_", "-")
            for side in self.settings.sides:
                wanted = side.lower().replace("_", "-")
                if not texts[side] and (language == wanted or language.startswith(wanted + "-")):
                    texts[side] = next((_text(one) for one in variant if _name(one) == "seg"), "")
        return self.settings.pair(place, list(texts.values()))


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Small ones, for a piece's elements are all held at once."""
    for block in blocks:
        for start in range(0, len(block), _PIECE):
            yield block[start : start + _PIECE]


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(segment: ElementTree.Element) -> str:
    parts = [segment.text or ""]
    for inner in segment:
        if _name(inner) not in _CODES:
            parts.append(_text(inner))
        parts.append(inner.tail or "")
    return " ".join("".join(parts).split())
