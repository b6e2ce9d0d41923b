"""What a record says of a question: the passage, the answers, and where in the passage they stand."""

from __future__ import annotations

import json
from typing import Any

from acclimate.corpus.document import Dropped, Record, comparable, find_column
from acclimate.transfer.examples.rows import Row, cell, identity

Column = str | int


def reading_row(
    record: Record, *, question: Column, context: Column, answers: Column, no_answer: bool
) -> Row | Dropped:
    """The row, equal to others by its passage: text the question, pair the passage as it stands.

    more: `spans` [[start, end]] of the answers that are in the passage, `answers` their texts and those of the others,
    whether there is none (`impossible`), and whether one stood elsewhere than the record says (`moved`).
    """
    asked = cell(record, question)
    key = find_column(record.fields, context)
    passage = (
        "" if key is None else record.fields[key]
    )  # offsets count from its beginning, white space included
    if not asked or not passage.strip():
        return Dropped("no_text", record.place, f"{question if not asked else context!r} is empty")
    said = cell(record, answers)
    if said is None:
        return Dropped("no_label", record.place, f"{answers!r} is missing")
    try:
        given = [_answer(one) for one in _listed(json.loads(said or "[]"))]
    except (KeyError, TypeError, ValueError) as error:
        return Dropped("malformed_label", record.place, f"{error}"[:200])
    given = [(text, start) for text, start in given if text.strip()]
    impossible = not given or record.fields.get("impossible") == "true"
    if impossible and not no_answer:
        return Dropped("no_answer", record.place, asked[:80])
    places = [] if impossible else [(text, start, _place(passage, text, start)) for text, start in given]
    more = {
        "spans": [[at, at + len(text)] for text, _, at in places if at >= 0],
        "answers": [text for text, _, _ in places],
        "impossible": impossible,
        "moved": any(start >= 0 and at >= 0 and at != start for _, start, at in places),
    }
    return Row(identity(record), record.place, asked, passage, (), ("", comparable(passage)), more)


def _listed(said: Any) -> list[Any]:
    """The answers one by one; Hugging Face's data sets list their texts and their places instead."""
    if isinstance(said, dict) and isinstance(texts := said.get("text"), list):
        starts = said.get("answer_start", [-1] * len(texts))
        if not isinstance(starts, list) or len(starts) != len(texts):
            raise ValueError(f"expected as many places as texts of answers, found {said!r}")
        return [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]
    if not isinstance(said, list):
        raise ValueError(f"expected a list of answers, found {said!r}")
    return said


def _answer(one: Any) -> tuple[str, int]:
    """Text, and the place that is given; −1: none."""
    if isinstance(one, str):
        return one, -1
    if not isinstance(one, dict):
        raise ValueError(f"expected an answer as {{text, start}}, found {one!r}")
    start = one["start"] if "start" in one else one.get("answer_start", -1)
    if not isinstance(one["text"], str) or isinstance(start, bool) or not isinstance(start, int):
        raise ValueError(f"expected an answer as {{text, start}}, found {one!r}"[:200])
    return one["text"], start


def _place(passage: str, text: str, start: int) -> int:
    """Where an answer begins: at its place, else where its text occurs nearest to it; −1: nowhere."""
    if start >= 0 and passage.startswith(text, start):
        return start
    found, at = [], passage.find(text)
    while at >= 0:
        found.append(at)
        at = passage.find(text, at + 1)
    return min(found, key=lambda at: (abs(at - start), at), default=-1)
