"""What stands at one place of a corpus: texts to model a language on, and records to learn tasks from.

The two need not be the same: a passage with five questions is one document and five records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acclimate.corpus.document import Dropped
from acclimate.corpus.sources.jsonl_format import as_string

WRONG_SHAPE = "wrong_shape"
"""Reason of what does not look as the corpus should."""
_SHOWN = 80
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a corpus."""

    place: str
    documents: Sequence[Fields]
    """The texts proper, each with "text" and what is known about it."""
    records: Sequence[Fields]
    """What a task may learn from; lists stand in them as compact JSON."""


def plain(place: str, fields: Fields) -> Entry:
    """An entry whose one document is its one record; the text is in "text"."""
    return Entry(place, (fields,), (fields,))


def compact(value: Any) -> str:
    """JSON without spaces, as lists stand in fields."""
    return _ENCODER.encode(value)


def as_fields(row: Mapping[str, Any]) -> Fields:
    """The members of a JSON object as strings: text as it is, null as "", other values as JSON."""
    return {
        str(key): compact(value) if isinstance(value, (list, dict)) else as_string(value)
        for key, value in row.items()
    }


def shown(value: object) -> str:
    """A line, or a value as JSON, cut to what fits into a message."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def wrong(place: str, expected: str, found: object) -> Dropped:
    """What does not have the shape of the corpus; `found` is the line or the value."""
    return Dropped(WRONG_SHAPE, place, f"expected {expected}, found {shown(found)}")
