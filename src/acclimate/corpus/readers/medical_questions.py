"""MedQuAD: questions about health with their answers, an XML file a topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar
from xml.etree.ElementTree import Element

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.corpus.readers.xml_elements import BrokenXml, elements

_ROOTS = ("Document", "DiseaseFile", "doc")
_FOCUS = ("Focus", "doctitle-focus")
_PAIRS = ("QAPair", "pair")
"""Some files of the corpus have other names for the same."""


class Medquad(StandardCorpus):
    """MedQuAD (Ben Abacha & Demner-Fushman 2019): questions about diseases and drugs, answered by health institutes.

    Records, one a question: question, answer (paragraphs on lines; empty where its owner's rights forbid to pass it
    on), label (the question's type, such as `symptoms`), focus (what is asked about), source, id. A document is an
    answer.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "medquad")

    def build(self) -> MedquadReader:
        return MedquadReader(self)


class MedquadReader(ShapedReader):
    patterns = ("*.xml",)
    expected = (
        "an XML document with <Focus/> and, for each question, "
        '<QAPair><Question qtype="…"/><Answer/></QAPair>'
    )

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        found = elements(file.blocks(), (*_FOCUS, *_PAIRS))
        try:
            root = next(found)
            if root.tag not in _ROOTS:
                yield wrong(file.place(1), self.expected, f"<{root.tag}>")
                return
            about = {"focus": "", "source": root.get("source") or root.get("corpus") or ""}
            number = 0
            for one in found:
                if one.tag in _FOCUS:
                    about["focus"] = _text(one)
                    continue
                number += 1
                yield self._answered(one, about, file.place(f"{one.tag}[{number}]"))
        except BrokenXml as error:
            yield wrong(file.place(error.line), self.expected, f"broken XML: {error}")

    def _answered(self, pair: Element, about: Fields, place: str) -> Entry | Dropped:
        parts = {one.tag.lower(): one for one in pair}
        question, answer = parts.get("question"), parts.get("answer")
        if question is None or not (asked := _text(question)):
            return wrong(place, self.expected, "a pair without a question")
        said = "" if answer is None else _text(answer)
        record = {
            "question": asked,
            "answer": said,
            "label": question.get("qtype", ""),
            **about,
            "id": question.get("qid", ""),
        }
        documents = [{"text": said, **about, "id": record["id"]}] if said else []
        return Entry(place, documents, (record,))


def _text(element: Element) -> str:
    """Its text, a paragraph a line."""
    lines = "".join(element.itertext()).splitlines()
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())
