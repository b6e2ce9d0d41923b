"""ChID (Zheng et al. 2019) as CLUE publishes it: texts with holes for idioms, the answers in a file beside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, compact, wrong

_EXPECTED = 'an object a line, as {"content": ["… #idiom000000# …"], "candidates": ["…", …]}'
_EXPECTED_ANSWERS = 'one object {"#idiom000000#": 3, …}'
_HOLE = re.compile(r"#idiom\d+#")


def is_answers(file: CorpusFile) -> bool:
    """Whether a file holds answers only, as `train_answer.json` does."""
    return file.bare.removesuffix(".json").endswith("_answer")


def answers_of(file: CorpusFile) -> CorpusFile | None:
    """The file of answers beside `train.json` and the like."""
    return file.beside(file.bare.removesuffix(".json") + "_answer.json")


def idiom_texts(file: CorpusFile) -> Iterator[Entry | Dropped]:
    """A record a text with its holes; the document has the holes filled. Without answers there is no document."""
    beside = answers_of(file)
    answers: Any = {} if beside is None else beside.value(_EXPECTED_ANSWERS)
    if isinstance(answers, Dropped):
        yield answers
        return
    if not isinstance(answers, dict):
        yield wrong(file.place(1), _EXPECTED_ANSWERS, answers)
        return
    for row in file.objects(_EXPECTED):
        if isinstance(row, Dropped):
            yield row
            continue
        place = file.place(row[0])
        try:
            candidates = [str(one) for one in row[1]["candidates"]]
            yield _texts(list(row[1]["content"]), candidates, answers, place)
        except (KeyError, TypeError, IndexError):
            yield wrong(place, _EXPECTED, row[1])


def _texts(contents: list[str], candidates: list[str], answers: dict[str, int], place: str) -> Entry:
    documents, records = [], []
    for text in contents:
        known = {hole: candidates[answers[hole]] for hole in _HOLE.findall(text) if hole in answers}
        record = {"context": text, "candidates": compact(candidates), "answers": compact(known)}
        records.append(record)
        filled = _HOLE.sub(lambda match, known=known: known.get(match[0], match[0]), text)  # type: ignore[misc]
        if not _HOLE.search(filled):
            documents.append({"text": filled})
    return Entry(place, documents, records)
