"""JSON lines as records: an object a line; in files called `.json` also one list of objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.cells import NotText
from acclimate.corpus.sources.encodings import HEAD_BYTES, detect, strip_mark
from acclimate.corpus.sources.format import Choices, Format, Input, Lines, SourceFile
from acclimate.corpus.sources.lines import BadLine, decoded_lines

_MOST_BYTES = 1 << 29
"""Of a list, which is loaded whole."""
_MAY_BE_LIST = re.compile(r"\.json(\.\w+)?$", re.IGNORECASE)
_BEFORE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""Bytes of a byte-order mark, of white space and of the wide encodings' zeros."""
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


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
    return _record_of(value, line, file, place)


def _record_of(value: Any, written: str, file: SourceFile, place: str) -> Record | Dropped:
    if not isinstance(value, dict):
        return Dropped("malformed_json", place, f"expected an object, found {_kind(value)}")
    fields = {key: as_string(cell) for key, cell in value.items()}
    # What an escape can smuggle in: halves of characters, which no encoding can write, and NUL.
    if "\\u" in written and (reason := unwritable(fields)):
        return Dropped(reason, place, "by a \\u escape")
    return Record(file.name, place, fields)


def _read(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    blocks = input.blocks()
    head = b""
    if _MAY_BE_LIST.search(file.name):
        for block in blocks:
            head += block
            if head.lstrip(_BEFORE):
                break
    blocks = chain((head,), blocks) if head else blocks
    if head.lstrip(_BEFORE).startswith(b"["):
        yield from _by_element(blocks, file, choices)
    else:
        yield from by_object(decoded_lines(blocks, choices.encoding, choices.max_characters), file)


def _by_element(blocks: Iterator[bytes], file: SourceFile, choices: Choices) -> Iterator[Record | Dropped]:
    """A record an element of the file's one list, its place the element's number from 1."""
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > _MOST_BYTES:
            detail = f"a list of more than {_MOST_BYTES >> 20} MB; write JSON lines, one object a line"
            yield Dropped("too_long", str(file.path), detail)
            return
    encoding = choices.encoding or detect(bytes(data[:HEAD_BYTES]))
    try:
        text = data[strip_mark(bytes(data[:HEAD_BYTES]), encoding) :].decode(encoding)
    except UnicodeDecodeError as error:
        wrong = data[error.start : error.end].hex(" ")
        yield Dropped("invalid_encoding", str(file.path), f"byte {wrong} of a list is not {encoding}")
        return
    del data
    number = 0
    try:
        for number, (start, end, value) in enumerate(_elements(text), 1):
            place = f"{file.path}:{number}"
            if end - start > choices.max_characters:
                detail = f"{end - start} characters, more than {choices.max_characters}"
                yield Dropped("too_long", place, detail)
            else:
                yield _record_of(value, text[start:end], file, place)
    except (ValueError, RecursionError) as error:
        detail = f"the list cannot be read from its element {number + 1} on: {error}"
        yield Dropped("malformed_json", f"{file.path}:{number + 1}", detail)


def _elements(text: str) -> Iterator[tuple[int, int, Any]]:
    """(start, end, value) of each. Raises JSONDecodeError where something else stands."""
    at = _after_space(text, _after_space(text, 0) + 1)
    if text[at : at + 1] != "]":
        while True:
            value, end = _DECODER.raw_decode(text, at)
            yield at, end, value
            at = _after_space(text, end)
            if text[at : at + 1] != ",":
                break
            at = _after_space(text, at + 1)
    if text[at : at + 1] != "]":
        raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
    if (at := _after_space(text, at + 1)) < len(text):
        raise json.JSONDecodeError("Expecting nothing after the list", text, at)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def as_string(value: Any) -> str:
    """A cell as a string: text as it is, nothing as "", other values as JSON writes them; what is no text in
    any sense as `NotText`."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    written = json.dumps(value, ensure_ascii=False, default=str)
    odd = isinstance(value, (list, dict)) or (isinstance(value, float) and not math.isfinite(value))
    return NotText(written) if odd else written


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
    read=_read,
    columns="each",
    heeds=frozenset(("encoding",)),
)
