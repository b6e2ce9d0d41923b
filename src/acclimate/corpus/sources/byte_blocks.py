"""A file's bytes in blocks, decompressed on the way: nothing is ever loaded whole."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from acclimate.errors import UserError

BLOCK = 1 << 20
"""Bytes of a plain file that are held at once."""
_PACKED = 1 << 16
COMPRESSED = (".gz", ".zst")


class BrokenStream(Exception):
    """The compressed stream ends too early (`truncated`) or does not hold what it should (`corrupt`)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def blocks(path: Path, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """Blocks of at most a megabyte (about), decompressed by the file's name.

    `on_bytes` is told how many stored bytes were read. Raises BrokenStream after the last good block of a
    damaged compressed file, UserError for a file that cannot be opened or read.
    """
    try:
        with path.open("rb") as file:
            if path.suffix == ".gz":
                yield from _gunzip(file, on_bytes)
            elif path.suffix == ".zst":
                yield from _unzstd(file, on_bytes)
            else:
                while block := file.read(BLOCK):
                    on_bytes(len(block))
                    yield block
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def _gunzip(file: BinaryIO, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    # zlib by hand: gzip.open and Arrow both withhold what stands in the block where the file breaks off.
    stream = None
    members = 0
    while packed := file.read(_PACKED):
        on_bytes(len(packed))
        while packed:
            if stream is None:
                if members:
                    packed = packed.lstrip(b"\0")  # padding between members is allowed
                    if not packed:
                        break
                stream = zlib.decompressobj(wbits=31)
            try:
                block = stream.decompress(packed, BLOCK)
            except zlib.error as error:
                raise BrokenStream("corrupt", f"not valid gzip: {error}") from error
            if block:
                yield block
            packed = stream.unconsumed_tail
            if stream.eof:
                packed = stream.unused_data
                stream = None
                members += 1
            elif not packed and len(block) < BLOCK:
                break
    if stream is not None:
        raise BrokenStream("truncated", "the gzip file ends before its end mark")


class _Counted:
    """A file that tells how much was read from it; what Arrow needs of a file."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._on_bytes(len(data))
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _unzstd(file: BinaryIO, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(_Counted(file, on_bytes), mode="r"), "zstd")
    # Small reads, for what stands in the read in which the stream breaks is lost.
    while True:
        try:
            block = stream.read(_PACKED)
        except OSError as error:
            reason = "truncated" if "Truncated" in str(error) else "corrupt"
            raise BrokenStream(reason, f"not a whole zstd file: {error}") from error
        if not block:
            return
        yield block
