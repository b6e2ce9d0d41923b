"""A file of JSON lines that only grows at its end, and is whole again after any interruption."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from acclimate.artifacts import temporary
from acclimate.artifacts.faults import explained

_BLOCK = 1 << 16


class LineLog:
    """Appends JSON objects to a file, one per line, each handed to the system whole.

    Opening repairs the end of the file: a line that was torn by a kill, or zeros that a power cut left, are cut
    off. A killed process loses nothing that was appended; a power cut at most what came after the last `sync`.
    Numbers that JSON lacks (NaN, infinities) are written as null: a line in a log must never stop a run.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        with explained(self.path):
            is_new = not self.path.exists()
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            if is_new:
                temporary.sync(self.path.parent)
            else:
                self._repair()

    def append(self, line: Mapping[str, Any]) -> None:
        """Adds one line. Raises CannotWrite when it does not fit; the file then ends with the line before."""
        data = _encode(line)
        with explained(self.path, need=len(data), kept="the lines before are kept"):
            end = os.fstat(self._handle).st_size
            try:
                written = os.write(self._handle, data)
                while written < len(data):
                    written += os.write(self._handle, data[written:])
            except OSError:
                os.ftruncate(self._handle, end)
                raise

    def sync(self) -> None:
        """Has all lines reach the disk."""
        with explained(self.path, kept="the lines before are kept"):
            os.fsync(self._handle)

    def close(self) -> None:
        if self._handle >= 0:
            try:
                self.sync()
            finally:
                os.close(self._handle)
                self._handle = -1

    def keep(self, predicate: Callable[[dict[str, Any]], bool]) -> int:
        """Drops the lines for which the predicate is false, in one step; how many were dropped."""
        dropped = 0
        with explained(self.path), temporary.claimed(self.path, folder=False) as draft:
            with self.path.open("rb") as lines, draft.open("wb") as file:
                for line in lines:
                    if predicate(json.loads(line)):
                        file.write(line)
                    else:
                        dropped += 1
                file.flush()
                os.fsync(file.fileno())
            if not dropped:
                return 0
            handle = os.open(draft, os.O_RDWR | os.O_APPEND)
            draft.replace(self.path)
            os.close(self._handle)
            self._handle = handle
            temporary.sync(self.path.parent)
        return dropped

    def _repair(self) -> None:
        """Cuts off what follows the last whole line."""
        with self.path.open("rb") as file:
            size = end = os.fstat(self._handle).st_size
            while end:
                start = _start_of_last_line(file, end)
                file.seek(start)
                if _decode(file.read(end - start)) is not None:
                    break
                end = start
        if end < size:
            os.ftruncate(self._handle, end)
            os.fsync(self._handle)

    def __enter__(self) -> LineLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a log, also one that is being written: not a torn last line. No file, no lines."""
    path = Path(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            value = _decode(line)
            if value is None:
                return
            yield value


def _start_of_last_line(file: BinaryIO, end: int) -> int:
    """Where the line starts that ends at `end` (its own line feed, if it has one, stands at end - 1)."""
    searched = end - 1
    while searched > 0:
        begin = max(0, searched - _BLOCK)
        file.seek(begin)
        found = file.read(searched - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        searched = begin
    return 0


def _encode(line: Mapping[str, Any]) -> bytes:
    text = json.dumps(_finite(line), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", errors="backslashreplace") + b"\n"


def _decode(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None when the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
