r"""Lines of a file as text, split at `\n` alone, with bounded memory.

The way: blocks of bytes → (UTF-16/32 and escape-sequence encodings only: transcoded to UTF-8) → whole lines →
strict decoding. Lines that are too long, hold NUL bytes or cannot be decoded come out as `BadLine`, one each,
and never stop the file. At most one block and one line of four bytes a character are held.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from acclimate.corpus.sources.encodings import HEAD_BYTES, detect, strip_mark

_LONE = "\ud800"
codecs.register_error("acclimate_lone", lambda error: (_LONE, getattr(error, "end", 0)))
_INCREMENTAL = ("utf-16", "utf-32", "iso2022", "hz", "utf-7")
"""Encodings in which a line end is no single byte, or a line depends on those before it."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used as it is."""

    number: int
    reason: str
    detail: str
    text: str = ""
    """The line with what could be decoded, where a reader must know it to go on (quoted CSV); empty if too
    long."""


Line = tuple[int, str]
"""(number from 1, text without its line end)."""


def decoded_lines(
    blocks: Iterator[bytes], encoding: str | None, max_characters: int
) -> Iterator[list[Line | BadLine]]:
    """The lines of a file, in lists of those that one block finished.

    `encoding` is a codec's normal name, or None to judge by the head of the file. A byte-order mark and the
    carriage return of a CR LF line end are left out.
    """
    head, rest = _head(blocks)
    encoding = encoding or detect(head)
    head = head[strip_mark(head, encoding) :]
    stream = _chain(head, rest)
    if encoding.startswith(_INCREMENTAL):
        stream = _to_utf8(stream, encoding)
        encoding = "utf-8"
    number = 1
    for chunk in _whole_lines(stream, _most_bytes(max_characters)):
        if chunk is None:
            yield [BadLine(number, "too_long", f"the line has more than {max_characters} characters")]
            number += 1
            continue
        lines = _decode(chunk, encoding, number, max_characters)
        number += len(lines)
        yield lines


def _most_bytes(max_characters: int) -> int:
    """Of a line that may still be short enough: four a character, and a carriage return."""
    return 4 * max_characters + 1


def _head(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    parts: list[bytes] = []
    size = 0
    broken: Exception | None = None
    try:
        for block in blocks:
            parts.append(block)
            size += len(block)
            if size >= HEAD_BYTES:
                break
    except Exception as error:
        broken = error

    def rest() -> Iterator[bytes]:
        if broken is not None:
            raise broken
        yield from blocks

    # The judgement must not depend on how the file was cut into blocks.
    whole = b"".join(parts)
    return whole[:HEAD_BYTES], _chain(whole[HEAD_BYTES:], rest())


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _to_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # A bad unit becomes a lone surrogate, which the strict decoder of the line then refuses.
    decoder = codecs.getincrementaldecoder(encoding)("acclimate_lone")
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")


def _whole_lines(blocks: Iterator[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """Runs of whole lines, joined by line ends, none at the end; None for a line of more than `max_bytes`."""
    held: list[bytes] = []
    size = 0
    skipping = False
    for block in blocks:
        start = 0
        if skipping or size:
            first = block.find(b"\n")
            if first < 0:
                if not skipping:
                    held.append(block)
                    size += len(block)
            else:
                if not skipping:
                    held.append(block[:first])
                    size += first
                start = first + 1
                yield None if skipping or size > max_bytes else b"".join(held)
                held, size, skipping = [], 0, False
            if size > max_bytes:
                held, size, skipping = [], 0, True
            if first < 0:
                continue
        last = block.rfind(b"\n", start)
        if last >= 0:
            yield block[start:last]
            start = last + 1
        if start < len(block):
            held.append(block[start:])
            size = len(block) - start
    if skipping or size:
        yield None if skipping or size > max_bytes else b"".join(held)


def _decode(chunk: bytes, encoding: str, number: int, max_characters: int) -> list[Line | BadLine]:
    try:
        text = chunk.decode(encoding)
    except UnicodeDecodeError:
        return [
            _decode_line(line, encoding, number + index, max_characters)
            for index, line in enumerate(chunk.split(b"\n"))
        ]
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    lines = text.split("\n")
    if "\0" not in text and len(text) <= max_characters:
        return list(enumerate(lines, number))
    return [_checked(line, number + index, max_characters) for index, line in enumerate(lines)]


def _decode_line(line: bytes, encoding: str, number: int, max_characters: int) -> Line | BadLine:
    if len(line) > _most_bytes(max_characters):  # as where the line was cut into several blocks
        return BadLine(number, "too_long", f"the line has more than {max_characters} characters")
    line = line.removesuffix(b"\r")
    try:
        return _checked(line.decode(encoding), number, max_characters)
    except UnicodeDecodeError as error:
        wrong = line[error.start : error.end].hex(" ")
        detail = f"byte {wrong} at column {error.start + 1} is not {encoding}"
        return BadLine(number, "invalid_encoding", detail, line.decode(encoding, "replace"))


def _checked(text: str, number: int, max_characters: int) -> Line | BadLine:
    if len(text) > max_characters:
        return BadLine(number, "too_long", f"{len(text)} characters, more than {max_characters}", text)
    if "\0" in text:
        return BadLine(number, "nul_bytes", f"{text.count(chr(0))} NUL bytes", text)
    return number, text
