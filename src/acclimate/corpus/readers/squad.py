"""Questions whose answers are spans of a passage, in SQuAD's JSON: SQuAD, CMRC 2018, DRCD and their kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, as_fields, compact, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

EXPECTED = (
    'SQuAD JSON, as {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}, or '
    'a list of {"context_id", "context_text", "qas": [{"query_id", "query_text", "answers"}]}'
)


class Squad(StandardCorpus):
    """SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018), and every corpus in its JSON. A document is a passage, once.

    Records, one a question: context, question, answers (JSON list of {text, start}), id, title, impossible
    (true or false), aligned (false where an answer is not in the context at its start; start is -1 where the file
    gives none and the text does not occur), and other members of the question.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "squad")

    def build(self) -> SquadReader:
        return SquadReader(self)


class Cmrc(Squad):
    """CMRC 2018 (Cui et al. 2019): Chinese Wikipedia passages and questions, in SQuAD's JSON or the flat first form."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "cmrc")


class Drcd(Squad):
    """DRCD (Shao et al. 2018): passages and questions in traditional Chinese, in SQuAD's JSON."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "drcd")


class SquadReader(ShapedReader):
    patterns = ("*.json",)
    expected = EXPECTED

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        return passages(file)


def passages(file: CorpusFile) -> Iterator[Entry | Dropped]:
    """An entry a passage, its records the questions."""
    value = file.value(EXPECTED)
    if isinstance(value, Dropped):
        yield value
    elif isinstance(value, dict) and isinstance(value.get("data"), list):
        for index, article in enumerate(value["data"]):
            place = file.place(f"data[{index}]")
            found = article.get("paragraphs") if isinstance(article, dict) else None
            if not isinstance(found, list):
                yield wrong(place, EXPECTED, article)
                continue
            for number, passage in enumerate(found):
                yield _passage(passage, str(article.get("title") or ""), f"{place}.paragraphs[{number}]")
    elif isinstance(value, list):
        for index, passage in enumerate(value):
            yield _passage(_unflattened(passage), "", file.place(f"[{index}]"))
    else:
        yield wrong(file.place(1), EXPECTED, value)


def _unflattened(passage: Any) -> Any:
    """CMRC's first form in SQuAD's words."""
    if (
        not isinstance(passage, dict)
        or "context_text" not in passage
        or not isinstance(passage.get("qas"), list)
    ):
        return passage
    qas = [
        {
            ("id" if key == "query_id" else "question" if key == "query_text" else key): value
            for key, value in qa.items()
        }
        if isinstance(qa, dict)
        else qa
        for qa in passage["qas"]
    ]
    return {
        "context": passage["context_text"],
        "id": passage.get("context_id"),
        "title": passage.get("title"),
        "qas": qas,
    }


def _passage(passage: Any, title: str, place: str) -> Entry | Dropped:
    context = passage.get("context") if isinstance(passage, dict) else None
    qas = passage.get("qas", []) if isinstance(passage, dict) else None
    if not isinstance(context, str) or not isinstance(qas, list):
        return wrong(place, EXPECTED, passage)
    about = {"title": title or str(passage.get("title") or "")}
    if passage.get("id") is not None:
        about["passage"] = str(passage["id"])
    records = []
    for qa in qas:
        record = _question(qa, context)
        if record is None:
            return wrong(place, EXPECTED, qa)
        records.append({**about, **record})
    return Entry(place, ({"text": context, **about},), records)


def _question(qa: Any, context: str) -> Fields | None:
    """The record of a question; None for what is none."""
    if not isinstance(qa, dict) or not isinstance(qa.get("question"), str):
        return None
    answers, aligned = [], True
    for one in qa.get("answers") or []:
        text, start = (one.get("text"), one.get("answer_start")) if isinstance(one, dict) else (one, None)
        if not isinstance(text, str):
            return None
        if not isinstance(start, int):
            start = context.find(text)
        aligned = aligned and start >= 0 and context.startswith(text, start)
        answers.append({"text": text, "start": start})
    others = {
        key: value for key, value in qa.items() if key not in ("question", "answers", "id", "is_impossible")
    }
    return {
        **as_fields(others),
        "context": context,
        "question": qa["question"],
        "answers": compact(answers),
        "id": str(qa.get("id", "")),
        "impossible": str(bool(qa.get("is_impossible"))).lower(),
        "aligned": str(aligned).lower(),
    }
