"""Columns on disk for documents that do not fit into memory: written once, then read in pieces or one at a time.

Files without a name, read by `pread`: nothing is mapped, so what was read does not stay in the process's memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.artifacts.durable import scratch_file


def digests_of(column: Any) -> NDArray[np.uint64]:
    """[N, 2] the values of a column of 16 bytes each, as they lie in memory."""
    values = np.frombuffer(column.buffers()[1] or b"", dtype=np.uint64).reshape(-1, 2)
    return values[column.offset : column.offset + len(column)]


def as_column(digests: NDArray[np.uint64]) -> Any:
    """A column of 16 bytes each; the inverse of `digests_of`."""
    data = pa.py_buffer(np.ascontiguousarray(digests))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(digests), [None, data])


class Strings:
    """Strings, one behind the other. Memory: 8 bytes each."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._file = stack.enter_context(scratch_file(folder))
        self._end = 0
        self._ends: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        self._offsets: NDArray[np.int64] = self._ends[0]

    def add(self, column: Any) -> None:
        """A column of `large_string` without nulls."""
        _, offset_buffer, data = column.buffers()
        offsets = np.frombuffer(offset_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
        if len(column) and data is not None:
            self._file.write(memoryview(data)[offsets[0] : offsets[-1]])
        self._ends.append(offsets[1:] - offsets[0] + self._end)
        self._end += int(offsets[-1] - offsets[0]) if len(column) else 0

    def seal(self) -> None:
        """Ends the adding; only then can be read."""
        self._file.flush()
        self._offsets, self._ends = np.concatenate(self._ends), []

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def pieces(self, rows: int, size: int) -> Iterator[tuple[int, int]]:
        """[start, end) of runs of at most so many strings and about so many bytes; one string at least."""
        start = 0
        while start < len(self):
            end = int(np.searchsorted(self._offsets, self._offsets[start] + size))
            end = max(start + 1, min(end, start + rows, len(self)))
            yield start, end
            start = end

    def array(self, start: int, end: int) -> Any:
        """[start, end) as a column of `large_string`."""
        offsets = self._offsets[start : end + 1]
        data = os.pread(self._file.fileno(), int(offsets[-1] - offsets[0]), int(offsets[0]))
        buffers = pa.py_buffer(np.ascontiguousarray(offsets - offsets[0])), pa.py_buffer(data)
        return pa.LargeStringArray.from_buffers(end - start, *buffers)

    def one(self, number: int) -> str:
        first, last = self._offsets[number : number + 2].tolist()
        return os.pread(self._file.fileno(), last - first, first).decode()


class Columns:
    """Rows of so many numbers of 64 bits, each column in a file of its own. Memory: none."""

    def __init__(self, folder: Path, width: int, stack: ExitStack) -> None:
        self._files = [stack.enter_context(scratch_file(folder)) for _ in range(width)]
        self._rows = 0

    def add(self, rows: NDArray[np.uint64]) -> None:
        """[n, width]"""
        if rows.shape[1:] != (len(self._files),):
            raise ValueError(f"{len(self._files)} columns wanted, found {rows.shape[1:]}")
        for file, column in zip(self._files, rows.T, strict=True):
            file.write(np.ascontiguousarray(column, np.uint64).data)
        self._rows += len(rows)

    def seal(self) -> None:
        for file in self._files:
            file.flush()

    def read(self, column: int, start: int = 0, end: int | None = None) -> NDArray[np.uint64]:
        """[end - start] one column, or a part of it."""
        end = self._rows if end is None else end
        data = os.pread(self._files[column].fileno(), 8 * (end - start), 8 * start)
        return np.frombuffer(data, np.uint64)

    def rows(self, start: int, end: int) -> NDArray[np.uint64]:
        """[end - start, width]"""
        return np.stack([self.read(column, start, end) for column in range(len(self._files))], axis=1)
