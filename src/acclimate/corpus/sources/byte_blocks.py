"""A file's bytes in blocks, decompressed on the way: nothing is ever loaded whole, and no stream may swell
without bound."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from acclimate.errors import UserError

BLOCK = 1 << 20
"""Bytes of a plain file that are held at once."""
_PACKED = 1 << 16
MOST_EXPANSION = 250
"""Bytes out for each byte in, beyond which a stream is a bomb. Text gives 3 to 20; the same line again and again
up to 1,000 in gzip and far more elsewhere."""
FREE_EXPANSION = 64 << 20
"""This much may come out of any stream, however small."""
_XZ_MEMORY = 256 << 20


class BrokenStream(Exception):
    """The rest of a file cannot be read: it ends too early (`truncated`), does not hold what it should
    (`corrupt`), swells without bound (`bomb`), …"""

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
            yield from decompressed(stored_blocks(file, on_bytes), path.suffix)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def stored_blocks(file: BinaryIO, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """The file's bytes as they are stored."""
    while block := file.read(BLOCK):
        on_bytes(len(block))
        yield block


def decompressed(packed: Iterator[bytes], suffix: str) -> Iterator[bytes]:
    """The stream behind a name's last extension; `packed` itself where that names no compression.

    Raises BrokenStream after the last good block.
    """
    unpack = _UNPACK.get(suffix.lower())
    if unpack is None:
        yield from packed
        return
    came = went = 0

    def counted() -> Iterator[bytes]:
        nonlocal came
        for block in packed:
            # Small pieces: what stands in the piece in which a stream breaks is lost.
            for start in range(0, len(block), _PACKED):
                piece = block[start : start + _PACKED]
                came += len(piece)
                yield piece

    for block in unpack(counted()):
        went += len(block)
        if went > FREE_EXPANSION and went > MOST_EXPANSION * came:
            raise BrokenStream("bomb", f"{came} bytes unpack to more than {went}")
        yield block


class _Decompressor(Protocol):
    """What `bz2` and `lzma` offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """The same of zlib. By hand: gzip.open and Arrow both withhold what stands in the block where the file
    breaks off."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        block = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = not self._stream.unconsumed_tail and len(block) < max_length
        return block


def _members(packed: Iterator[bytes], new: Callable[[], _Decompressor], name: str) -> Iterator[bytes]:
    """The streams that follow each other in the file, as one."""
    stream: _Decompressor | None = None
    ended = False
    for data in packed:
        while True:
            if stream is None:
                if ended:
                    data = data.lstrip(b"\0")  # padding between members is allowed
                if not data:
                    break
                stream = new()
            try:
                block = stream.decompress(data, BLOCK)
            except (zlib.error, OSError, lzma.LZMAError, ValueError) as error:
                if "emory usage limit" in str(error):
                    raise BrokenStream(
                        "bomb", f"its {name} window is larger than {_XZ_MEMORY} bytes"
                    ) from error
                raise BrokenStream("corrupt", f"not valid {name}: {error}") from error
            if block:
                yield block
            if stream.eof:
                data, stream, ended = stream.unused_data, None, True
                continue
            data = b""
            if stream.needs_input:
                break
    if stream is not None:
        raise BrokenStream("truncated", f"the {name} file ends before its end mark")


class StreamFile:
    """An iterator of blocks as a file that can be read from front to back: what Arrow and tarfile need."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._held = memoryview(b"")
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; fewer rather than to run into a damage behind them. Empty at the end."""
        if not self._held:
            self._held = memoryview(next(self._stream, b""))
        part = bytes(self._held[:size]) if size >= 0 else bytes(self._held)
        self._held = self._held[len(part) :]
        return part

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _unzstd(packed: Iterator[bytes]) -> Iterator[bytes]:
    import pyarrow as pa

    source: Any = StreamFile(packed)
    try:
        stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
        # Small reads, for what stands in the read in which the stream breaks is lost.
        while block := stream.read(_PACKED):
            yield block
    except OSError as error:
        said = str(error)
        if "too much memory" in said or "window" in said.lower():
            raise BrokenStream("bomb", f"its zstd window is too large: {said}") from error
        reason = "truncated" if "Truncated" in said else "corrupt"
        raise BrokenStream(reason, f"not a whole zstd file: {said}") from error


_UNPACK: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    ".gz": lambda packed: _members(packed, _Gzip, "gzip"),
    ".zst": _unzstd,
    ".xz": lambda packed: _members(packed, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), "xz"),
    ".bz2": lambda packed: _members(packed, bz2.BZ2Decompressor, "bzip2"),
}
COMPRESSED = tuple(_UNPACK)
"""Extensions of compressed files."""
