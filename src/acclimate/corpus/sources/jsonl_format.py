"""JSON lines as records: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.format import Format, Lines, SourceFile, text_lines
from acclimate.corpus.sources.lines import BadLine


def by_object(lines: Lines, file: SourceFile) -> Iterator[Record | Dropped]:
    """A record a line. A line that is no JSON object is dropped by reason `malformed_json`."""
    for chunk in lines:
        for line in chunk:
            if isinstance(line, BadLine):
                yield Dropped(line.reason, f"{file.path}:{line.number}", line.detail)
            else:
                yield _record(line[1], file, f"{file.path}:{line[0]}")


def _record(line: str, file: SourceFile, place: str) -> Record | Dropped:
    if not line or line.isspace():
        return Dropped("empty", place, "a blank line")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Dropped("malformed_json", place, str(error))
    if not isinstance(value, dict):
        return Dropped("malformed_json", place, f"expected an object, found {_kind(value)}")
    fields = {key: as_string(cell) for key, cell in value.items()}
    # What an escape can smuggle in: halves of characters, which no encoding can write, and NUL.
    if "\\u" in line and (reason := unwritable(fields)):
        return Dropped(reason, place, "by a \\u escape")
    return Record(file.name, place, fields)


def as_string(value: Any) -> str:
    """A cell as a string: text as it is, nothing as "", other values as JSON writes them."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def unwritable(fields: dict[str, str]) -> str | None:
    """The reason why these fields cannot be kept: `invalid_encoding` or `nul_bytes`."""
    joined = "".join(fields.values())
    if "\0" in joined:
        return "nul_bytes"
    try:
        joined.encode()
    except UnicodeEncodeError:
        # Two halves from neighbouring fields cannot make a whole: joining does not pair surrogates in Python.
        return "invalid_encoding"
    return None


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


FORMAT = Format(
    name="jsonl",
    extensions=(".jsonl", ".ndjson", ".json"),
    read=lambda file, input, choices: by_object(text_lines(input, choices), file),
    columns="each",
    heeds=frozenset(("encoding",)),
)
