"""Questions with free answers: DuReader (web documents, Chinese), DuoRC (plots of films), PubMedQA (abstracts)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, as_fields, compact, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.corpus.readers.squad import passages


class Dureader(StandardCorpus):
    """DuReader (He et al. 2018): questions to a search engine with web documents and people's answers, JSON lines.

    Records, one a question: question, id, question_type, answers (JSON list of texts), documents (JSON list of {title,
    paragraphs, is_selected}), and other members. A document is a web document: its title and paragraphs on lines. The
    robust and checklist editions, which are SQuAD JSON, are read as `squad` reads them.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "dureader")

    def build(self) -> DureaderReader:
        return DureaderReader(self)


class DureaderReader(ShapedReader):
    patterns = ("*.json", "*.jsonl")
    expected = (
        'an object a line, as {"question_id", "question", "documents": [{"title", "paragraphs"}], "answers"}'
    )

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        first = file.first_line()
        if first == "{" or first.startswith(('{"data"', '{"version"')):
            yield from passages(file)
            return
        for row in file.objects(self.expected):
            if isinstance(row, Dropped):
                yield row
                continue
            try:
                yield _asked(row[1], file.place(row[0]))
            except (KeyError, TypeError, AttributeError):
                yield wrong(file.place(row[0]), self.expected, row[1])


def _asked(row: dict[str, Any], place: str) -> Entry:
    found: list[dict[str, Any]] = [
        {
            "title": str(one.get("title") or ""),
            "paragraphs": [_text(paragraph) for paragraph in one["paragraphs"]],
            "is_selected": bool(one.get("is_selected")),
        }
        for one in row["documents"]
    ]
    texts = [
        {
            "text": "\n".join(filter(None, [one["title"], *one["paragraphs"]])),
            "title": one["title"],
            "is_selected": str(one["is_selected"]).lower(),
        }
        for one in found
    ]
    known = ("documents", "question", "question_id", "answers")
    record = {
        **as_fields(
            {key: value for key, value in row.items() if key not in known and "segmented" not in key}
        ),
        "question": _text(row["question"]),
        "id": str(row["question_id"]),
        "answers": compact([_text(one) for one in row.get("answers") or []]),
        "documents": compact(found),
    }
    return Entry(place, texts, (record,))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


class Duorc(StandardCorpus):
    """DuoRC (Saha et al. 2018): plots of films with questions, SelfRC and ParaphraseRC, one JSON list a file.

    Records, one a question: context, question, answers (JSON list of texts), impossible (true or false), id, title. A
    document is a plot, once.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "duorc")

    def build(self) -> DuorcReader:
        return DuorcReader(self)


class DuorcReader(ShapedReader):
    patterns = ("*.json",)
    expected = 'a list of {"id", "title", "plot", "qa": [{"id", "question", "answers", "no_answer"}]}'

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        value = file.value(self.expected)
        if isinstance(value, Dropped):
            yield value
            return
        if not isinstance(value, list):
            yield wrong(file.place(1), self.expected, value)
            return
        for index, film in enumerate(value):
            place = file.place(f"[{index}]")
            try:
                yield _film(film, place)
            except (KeyError, TypeError, AttributeError):
                yield wrong(place, self.expected, film)


def _film(film: dict[str, Any], place: str) -> Entry:
    plot, title = _text(film["plot"]), str(film.get("title") or "")
    records = [
        {
            "context": plot,
            "question": _text(qa["question"]),
            "answers": compact([_text(one) for one in qa.get("answers") or []]),
            "impossible": str(bool(qa.get("no_answer"))).lower(),
            "id": str(qa.get("id", "")),
            "title": title,
        }
        for qa in film["qa"]
    ]
    return Entry(place, ({"text": plot, "title": title, "id": str(film.get("id", ""))},), records)


class PubmedQa(StandardCorpus):
    """PubMedQA (Jin et al. 2019): questions that titles of biomedical papers ask, answered yes, no or maybe.

    Records, one a question: question, context (the abstract without its conclusion, its sections on lines), label
    (`yes`, `no`, `maybe`; empty where the file gives none), answer (the conclusion), id. A document is an abstract with
    its conclusion.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "pubmedqa")

    def build(self) -> PubmedQaReader:
        return PubmedQaReader(self)


class PubmedQaReader(ShapedReader):
    patterns = ("*.json",)
    expected = 'an object of {"QUESTION", "CONTEXTS", "final_decision"} by PubMed\'s number'

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        value = file.value(self.expected)
        if isinstance(value, Dropped):
            yield value
            return
        if not isinstance(value, dict):
            yield wrong(file.place(1), self.expected, value)
            return
        for number, paper in value.items():
            place = file.place(f"[{number}]")
            try:
                yield _paper(str(number), paper, place)
            except (KeyError, TypeError, AttributeError):
                yield wrong(place, self.expected, paper)


def _paper(number: str, paper: dict[str, Any], place: str) -> Entry:
    context = "\n".join(_text(one) for one in paper["CONTEXTS"])
    conclusion = _text(paper.get("LONG_ANSWER") or "")
    record = {
        "question": _text(paper["QUESTION"]),
        "context": context,
        "label": _text(paper.get("final_decision") or ""),
        "answer": conclusion,
        "id": number,
    }
    return Entry(place, ({"text": "\n".join(filter(None, (context, conclusion))), "id": number},), (record,))
