"""Rows of a benchmark task in the one form that all tasks share: text, pair, label, or context and choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from acclimate.corpus.readers.entries import Entry, Fields, as_fields, compact

Row = dict[str, Any]


@dataclass(frozen=True)
class BenchmarkTask:
    """How the files of one task look."""

    folder: str
    """What its folder is called, without `_public` and the like; compared without case and marks."""
    text: str = "sentence1"
    """Column that becomes `text`."""
    pair: str | None = "sentence2"
    """Column that becomes `pair`."""
    label: str = "label"
    """Column that becomes `label`; absent in tests without answers."""
    columns: tuple[str, ...] | None = None
    """Columns of a table that has no header line."""
    documents: tuple[str, ...] = ("text", "pair")
    """Which of the two are texts to model a language on."""
    form: Literal["rows", "squad", "choices", "idioms"] = "rows"
    """What a file holds: rows of the benchmark's kind, or the form of another reader."""
    special: Callable[[Row, str], Entry] | None = None
    """What makes an entry of a row that is no text, pair and label."""

    def entry(self, row: Row, place: str) -> Entry:
        """The entry of a row. Raises KeyError, TypeError, ValueError, AttributeError for a row of another shape."""
        if self.special is not None:
            return self.special(row, place)
        fields = as_fields(row)
        made: Fields = {"text": _needed(row, self.text, fields)}
        if self.pair is not None:
            made["pair"] = _needed(row, self.pair, fields)
        made["label"] = fields.pop(self.label, "")
        made.update(
            {key: value for key, value in fields.items() if key not in made and key not in self._taken()}
        )
        return Entry(place, [{"text": made[name]} for name in self.documents if name in made], (made,))

    def _taken(self) -> tuple[str | None, ...]:
        return self.text, self.pair, self.label


def _needed(row: Row, column: str, fields: Fields) -> str:
    if not isinstance(row[column], str):
        raise TypeError(f"{column} is no text")
    return fields[column]


def copa(row: Row, place: str) -> Entry:
    """A premise and two choices, of which one is its cause or effect."""
    choices = [row["choice1"], row["choice2"]]
    label = row.get("label")
    answer = "" if label is None else choices[int(label)]
    record = _choice(row, row["premise"], str(row["question"]), choices, label, answer)
    return Entry(place, ({"text": row["premise"]},), (record,))


def multirc(row: Row, place: str) -> Entry:
    """A passage; questions of which several answers may be right: `labels` has 0 or 1 for each choice."""
    text = row["passage"]["text"]
    records = []
    for question in row["passage"]["questions"]:
        choices = [one["text"] for one in question["answers"]]
        labels = [one["label"] for one in question["answers"] if "label" in one]
        about = {"id": f"{row.get('idx', '')}.{question.get('idx', '')}", "labels": compact(labels)}
        records.append(
            {"context": text, "question": question["question"], "choices": compact(choices), **about}
        )
    return Entry(place, ({"text": text},), records)


def record(row: Row, place: str) -> Entry:
    """A news text and sentences with a hole (`@placeholder`) that one of its entities fills."""
    text = row["passage"]["text"]
    entities = [_surface(text, one) for one in row["passage"]["entities"]]
    records = [
        {
            "context": text,
            "question": qa["query"],
            "entities": compact(entities),
            "answers": compact([_surface(text, one) for one in qa.get("answers", [])]),
            "id": str(qa.get("idx", "")),
        }
        for qa in row["qas"]
    ]
    return Entry(place, ({"text": text.replace("\n@highlight\n", "\n")},), records)


def wsc(row: Row, place: str) -> Entry:
    """A text, a pronoun and a noun (`target`, JSON), and whether the one means the other."""
    fields = {"label": "", **as_fields(row)}
    target = row["target"]
    if not isinstance(row["text"], str) or {"span1_text", "span2_text"} - target.keys():
        raise TypeError("no text or target")
    return Entry(place, ({"text": row["text"]},), (fields,))


def _surface(text: str, span: Row) -> dict[str, Any]:
    """A span with its end exclusive; in the file it is inclusive."""
    start, end = span["start"], span["end"] + 1
    return {"text": text[start:end], "start": start, "end": end}


def _choice(row: Row, context: str, question: str, choices: list[str], label: Any, answer: str) -> Fields:
    if not isinstance(context, str) or not all(isinstance(one, str) for one in choices):
        raise TypeError("no text")
    return {
        "context": context,
        "question": question,
        "choices": compact(choices),
        "label": "" if label is None else str(label),
        "answer": answer,
        "id": str(row.get("idx", "")),
    }
