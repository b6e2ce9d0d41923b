"""What a record says of spans in a text: its words, and labelled stretches of characters.

Three shapes are read: a text with `entities` (character spans, perhaps with the `tokens` that the text is made of),
tokens with tags of any scheme, and pages with words, their boxes and entities.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from acclimate.batching.word_store import Words
from acclimate.corpus.document import Dropped, Record, comparable, find_column
from acclimate.corpus.forms import OUTSIDE, BoxUnit, form_of
from acclimate.corpus.readers.line_breaks import apart
from acclimate.corpus.readers.spans import spans
from acclimate.transfer.examples.rows import Row, cell, identity
from acclimate.transfer.spans.tag_set import TagSet, WordSpan

Unit = Literal["word", "character"]
_LABELS = ("label", "type", "entity_type", "tag")
# Characters that are words by themselves in East Asian scripts without spaces, then runs of letters and digits, then
# whatever else is to be seen.
_WORDS = re.compile(
    "[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\\W\u2e80-\u9fff]+|[^\\w\\s]|\\S"
)
_CHARACTERS = re.compile(r"\S")


@dataclass(frozen=True)
class Columns:
    """Where a task finds what it needs in a record."""

    text: str | int | None
    entities: str | int | None
    tokens: str | int | None
    tags: str | int | None
    boxes: BoxUnit


def span_row(record: Record, columns: Columns) -> Row | Dropped:
    """The row of a record: `entities` [[start, end, label]] in characters, the end exclusive, and as far as the record
    says so `words` [[start, end]] and `boxes`."""
    try:
        if columns.tags is None and {"words", "boxes"} <= set(record.fields):
            return _of_form(record, columns.boxes)
        if columns.tags is not None:
            return _of_tags(record, columns)
        return _of_entities(record, columns)
    except (KeyError, TypeError, ValueError) as error:
        return Dropped("malformed_label", record.place, f"{error}"[:200])


def _row(record: Record, text: str, entities: Sequence[tuple[int, int, str]], more: dict[str, Any]) -> Row:
    found = sorted(set(entities))
    if twice := len(entities) - len(found):
        more = {**more, "lost_spans": {**more.get("lost_spans", {}), "given_twice": twice}}
    labels = tuple(sorted({label for _, _, label in found}))
    given = {"entities": [list(one) for one in found], **more}
    return Row(identity(record), record.place, text, None, labels, (comparable(text), ""), given)


def _of_entities(record: Record, columns: Columns) -> Row | Dropped:
    assert columns.text is not None and columns.entities is not None
    text = cell(record, columns.text)
    if not text:
        return Dropped("no_text", record.place, f"{columns.text!r} is empty")
    said = cell(record, columns.entities)
    if said is None:
        return Dropped("no_label", record.place, f"{columns.entities!r} is missing")
    # Spans count from the beginning of the cell as it stands, white space included.
    raw = record.fields[find_column(record.fields, columns.text) or ""]
    ahead = len(raw) - len(raw.lstrip())
    found, empty = [], 0
    for one in _items(said or "[]", "spans"):
        start, end, label = _span(one)
        if not 0 <= start < end <= len(raw):
            detail = f"{label} from {start} to {end} of a text of {len(raw)} characters: {raw[:80]!r}"
            return Dropped("span_outside_text", record.place, detail)
        start, end = _trimmed(raw, start, end)
        if start < end:
            found.append((start - ahead, end - ahead, label))
        else:
            empty += 1
    more = _given_words(record, columns, text)
    return _row(record, text, found, {**more, "lost_spans": {"white_space": empty}} if empty else more)


def _items(said: str, what: str) -> list[Any]:
    items = json.loads(said)
    if not isinstance(items, list):
        raise ValueError(f"expected a list of {what}, found {said[:80]!r}")
    return items


def _span(one: Any) -> tuple[int, int, str]:
    if isinstance(one, dict):
        label = next(one[name] for name in _LABELS if name in one)
        one = [one["start"], one["end"], label]
    start, end, label = one
    if isinstance(start, bool) or not (
        isinstance(start, int) and isinstance(end, int) and isinstance(label, str)
    ):
        raise ValueError(f"expected [start, end, label], found {one!r}")
    if not label:
        raise ValueError("a span without a label")
    return start, end, label


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends."""
    surface = text[start:end]
    return end - len(surface.lstrip()), start + len(surface.rstrip())


def _given_words(record: Record, columns: Columns, text: str) -> dict[str, Any]:
    """Where the record's tokens stand in its text; nothing where it has none, or they are not what it is made of."""
    said = cell(record, "tokens" if columns.tokens is None else columns.tokens)
    if not said:
        return {}
    places, at = [], 0
    for token in _listed(said):
        start = text.find(token, at)
        if not token or start < 0 or text[at:start].strip():
            return {}
        places.append([start, at := start + len(token)])
    return {"words": places}


def _of_tags(record: Record, columns: Columns) -> Row | Dropped:
    assert columns.tokens is not None and columns.tags is not None
    said = cell(record, columns.tokens), cell(record, columns.tags)
    if not said[0] or not said[1]:
        which = columns.tags if said[0] else columns.tokens
        return Dropped("no_text" if not said[0] else "no_label", record.place, f"{which!r} is empty")
    tokens, tags = (_listed(one) for one in said if one)
    if len(tokens) != len(tags):
        return Dropped("malformed_label", record.place, f"{len(tokens)} tokens and {len(tags)} tags")
    text, places = _joined(tokens)
    if not text:
        return Dropped("no_text", record.place, "all tokens are empty")
    found = [(places[one.start][0], places[one.end - 1][1], one.label) for one in spans(tags)]
    return _row(record, text, found, {"words": places})


def _listed(cell: str) -> list[str]:
    """A JSON list of names, or names with spaces between."""
    items = json.loads(cell) if cell.startswith("[") else cell.split()
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"expected a list of names, found {cell[:80]!r}")
    return list(items)


def _joined(tokens: Sequence[str]) -> tuple[str, list[list[int]]]:
    """The text of tokens, with spaces but between East Asian ones, and where each stands in it."""
    text, places = "", []
    for token in tokens:
        text += " " if text and apart(text, token) else ""
        places.append([len(text), len(text) + len(token)])
        text += token
    return text, places


def _of_form(record: Record, unit: BoxUnit) -> Row | Dropped:
    form, gone = form_of(record, unit)
    if form is None:
        return Dropped("no_text", record.place, "no word of the page is of use")
    text, places = "", []
    found: list[tuple[int, int, str]] = []
    for number, word in enumerate(form.words):
        text += " " if text else ""
        places.append([len(text), len(text) + len(word)])
        text += word
        entity, label = form.entities[number]
        if label != OUTSIDE:
            same = number and form.entities[number - 1][0] == entity
            start = found.pop()[0] if same else places[-1][0]
            found.append((start, places[-1][1], label))
    more = {"words": places, "boxes": form.boxes.tolist()}
    lost = dict(Counter(one.reason for one in gone))
    return _row(record, text, found, {**more, "lost_words": lost} if lost else more)


def words_of(text: str, more: Any, unit: Unit) -> Words:
    """[n, 2] the words of an example: those that its data gave, else as the unit says."""
    places = more.get("words")
    if places is None:
        form = _WORDS if unit == "word" else _CHARACTERS
        places = [one.span() for one in form.finditer(text)]
    return np.array(places, np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class InWords:
    """An example's entities as far as tags can say them."""

    spans: list[WordSpan]
    lost: Counter[str]
    """Those that cannot be said: `inside_a_word`, `over_another`."""


def in_words(entities: Sequence[Sequence[Any]], words: Words, tag_set: TagSet) -> InWords:
    starts = {start: number for number, start in enumerate(words[:, 0].tolist())}
    ends = {end: number + 1 for number, end in enumerate(words[:, 1].tolist())}
    borders = [(label, starts.get(start), ends.get(end)) for start, end, label in entities]
    there = [
        WordSpan(label, first, last)
        for label, first, last in borders
        if first is not None and last is not None
    ]
    spans = tag_set.expressed(there)
    lost = Counter({"inside_a_word": len(entities) - len(there), "over_another": len(there) - len(spans)})
    return InWords(spans, +lost)
