"""A file of a standard corpus as a shape reads it: its lines, its JSON, and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.entries import wrong
from acclimate.corpus.readers.shelf import Shelf, Stored
from acclimate.corpus.sources.byte_blocks import BrokenStream, blocks
from acclimate.corpus.sources.lines import BadLine, decoded_lines
from acclimate.errors import UserError

MOST_CHARACTERS = 20_000_000
"""A longer line or document is dropped by reason `too_long`."""
MOST_JSON = 512 << 20
"""Bytes of a JSON file that is one value, for such a value is loaded whole."""
_FURTHER = bytes(range(0x80, 0xC0))
"""The bytes of a character in UTF-8 behind its first."""


class CorpusFile:
    """A file, of which nothing is read before it is asked for."""

    def __init__(
        self,
        stored: Stored,
        shelf: Shelf,
        on_bytes: Callable[[int], None],
        within: tuple[int, int | None] = (0, None),
    ) -> None:
        self.stored = stored
        self.name = stored.name
        self.bare = stored.bare
        self.shelf = shelf
        self._on_bytes = on_bytes
        self._within = within

    def place(self, at: int | str) -> str:
        """`file:line`, or `file:where` inside a JSON value."""
        return f"{self.stored.place}:{at}"

    def beside(self, name: str) -> CorpusFile | None:
        """Another file, named from this one's folder (`../` goes up), plain or compressed; None where there is none."""
        parts = list(PurePosixPath(self.name).parts[:-1])
        while name.startswith("../") and parts:
            parts.pop()
            name = name.removeprefix("../")
        found = self.shelf.find("/".join([*parts, name]))
        return None if found is None else CorpusFile(found, self.shelf, self._on_bytes)

    def slice(self, start: int, end: int | None) -> CorpusFile:
        """A part of the file by bytes, unpacked; a character of several bytes belongs where it begins."""
        return CorpusFile(self.stored, self.shelf, self._on_bytes, (start, end))

    def blocks(self) -> Iterator[bytes]:
        """Decompressed blocks. Raises BrokenStream."""
        found = blocks(self.stored.path, self._on_bytes)
        return found if self._within == (0, None) else _between(found, *self._within)

    def lines(self) -> Iterator[tuple[int, str] | Dropped]:
        """(number from 1, text) of each line; one that cannot be decoded or is too long is dropped."""
        for chunk in decoded_lines(self.blocks(), None, MOST_CHARACTERS):
            for line in chunk:
                if isinstance(line, BadLine):
                    yield Dropped(line.reason, self.place(line.number), line.detail)
                else:
                    yield line

    def num_lines(self) -> int:
        """How many lines there are. Raises BrokenStream."""
        return sum(map(len, decoded_lines(self.blocks(), None, MOST_CHARACTERS)))

    def first_line(self) -> str:
        """The first line that is not blank, by which shapes tell themselves apart; "" where there is none."""
        try:
            for line in CorpusFile(self.stored, self.shelf, lambda _: None).lines():
                if not isinstance(line, Dropped) and line[1].strip():
                    return line[1].strip()
        except BrokenStream:
            return ""
        return ""

    def objects(self, expected: str) -> Iterator[tuple[int, dict[str, Any]] | Dropped]:
        """(line, object) of a file of JSON lines; blank lines are dropped by reason `empty`."""
        for line in self.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            if not text or text.isspace():
                yield Dropped("empty", self.place(number), "a blank line")
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                yield number, value
            else:
                yield wrong(self.place(number), expected, text)

    def value(self, expected: str) -> Any:
        """The one JSON value of the file, or what is wrong with it as a Dropped. Raises BrokenStream."""
        data = bytearray()
        for block in self.blocks():
            data += block
            if len(data) > MOST_JSON:
                raise UserError(
                    f"{self.stored.place}: more than {MOST_JSON >> 20} MB of JSON in one value, which is loaded "
                    "whole; split it"
                )
        try:
            return json.loads(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            return Dropped("invalid_encoding", self.stored.place, f"byte {error.start + 1} is not utf-8")
        except RecursionError:
            return wrong(self.place(1), expected, "a value that is nested too deep")
        except json.JSONDecodeError as error:
            lines = error.doc.split("\n")
            line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
            return wrong(self.place(error.lineno), expected, line[max(0, error.colno - 40) :])


def _between(stream: Iterator[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """The bytes from `start` to `end` of a stream, moved to where characters begin."""
    at = 0
    inside = start == 0
    for block in stream:
        here, at = at, at + len(block)
        if at <= start:
            continue
        if not inside:
            tail = block[max(0, start - here) :]
            block = tail.lstrip(_FURTHER)
            here = at - len(block)
            inside = bool(block)
        if end is None or at <= end:
            yield block
            continue
        kept = max(0, end - here)
        further = len(block) - kept - len(block[kept:].lstrip(_FURTHER))
        yield block[: kept + further]
        if kept + further < len(block):
            return
