"""TMX: translation memories, an XML of units with a text in each language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import WRONG_SHAPE, Entry, shown
from acclimate.corpus.readers.moses import Parallel
from acclimate.corpus.readers.shaped import ShapedReader
from acclimate.corpus.readers.xml_elements import BrokenXml, elements

_LANGUAGE = "http://www.w3.org/XML/1998/namespace}lang"
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
        found = elements(file.blocks(), ("tu",))
        try:
            root = next(found)
            if root.tag != "tmx":
                yield self._not_so(file, 1, f"the root is <{root.tag}>")
                return
            for number, unit in enumerate(found, 1):
                yield self._unit(unit, file.place(f"tu[{number}]"))
        except BrokenXml as error:
            yield self._not_so(file, error.line, str(error))

    def _not_so(self, file: CorpusFile, line: int, why: str) -> Dropped:
        found = (
            shown(file.first_line()) if line == 1 else f"XML that breaks off after {self.expected[:3]} began"
        )
        return Dropped(WRONG_SHAPE, file.place(line), f"expected {self.expected}, found {found}: {why}")

    def _unit(self, unit: Element, place: str) -> Entry | Dropped:
        texts = dict.fromkeys(self.settings.sides, "")
        for variant in unit:
            if variant.tag != "tuv":
                continue
            language = (variant.get(_LANGUAGE) or variant.get("lang") or "").lower().replace("_", "-")
            for side in self.settings.sides:
                wanted = side.lower().replace("_", "-")
                if not texts[side] and (language == wanted or language.startswith(wanted + "-")):
                    texts[side] = next((_text(one) for one in variant if one.tag == "seg"), "")
        return self.settings.pair(place, list(texts.values()))


def _text(segment: Element) -> str:
    parts = [segment.text or ""]
    for inner in segment:
        if inner.tag not in _CODES:
            parts.append(_text(inner))
        parts.append(inner.tail or "")
    return " ".join("".join(parts).split())
