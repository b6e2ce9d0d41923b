"""RTE: the published files of the challenges of recognising textual entailment, XML of pairs of texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.corpus.readers.xml_elements import BrokenXml, elements

_LABELS = {"true": "entailment", "yes": "entailment", "false": "not_entailment", "no": "not_entailment"}
"""What the challenges of two classes say → what GLUE calls it; those of three name their classes."""


class Rte(StandardCorpus):
    """RTE 1 to 5 (Dagan et al. 2006 and later): whether a text entails a hypothesis, as the challenges published it.

    Records: text, pair (the hypothesis), label (`entailment` or `not_entailment`; of RTE 4 and 5 their own three, in
    lower case; empty where a test has none), task (`IE`, `IR`, `QA`, …), id. Each of the two is a document. The table
    that GLUE made of three of them is read by `glue`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "rte")

    def build(self) -> RteReader:
        return RteReader(self)


class RteReader(ShapedReader):
    patterns = ("*.xml",)
    expected = '<entailment-corpus><pair id="…" entailment="…" task="…"><t/><h/></pair></entailment-corpus>'

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        found = elements(file.blocks(), ("pair",))
        try:
            root = next(found)
            if root.tag != "entailment-corpus":
                yield wrong(file.place(1), self.expected, f"<{root.tag}>")
                return
            for number, pair in enumerate(found, 1):
                yield self._judged(pair, file.place(f"pair[{number}]"))
        except BrokenXml as error:
            yield wrong(file.place(error.line), self.expected, f"broken XML: {error}")

    def _judged(self, pair: Element, place: str) -> Entry | Dropped:
        text, hypothesis = (" ".join((pair.findtext(name) or "").split()) for name in ("t", "h"))
        if not text or not hypothesis:
            return wrong(place, self.expected, "a pair without its two texts")
        said = (pair.get("entailment") or pair.get("value") or "").lower()
        record = {
            "text": text,
            "pair": hypothesis,
            "label": _LABELS.get(said, said),
            "task": pair.get("task", ""),
            "id": pair.get("id", ""),
        }
        return Entry(place, ({"text": text}, {"text": hypothesis}), (record,))
