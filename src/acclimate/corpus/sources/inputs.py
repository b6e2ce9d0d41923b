"""Where a file's bytes come from (a disk, a URL, an archive), and who unpacks and parses them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from acclimate.artifacts.durable import scratch_file
from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources import byte_blocks
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.format import Choices, Input, Place, SourceFile
from acclimate.corpus.sources.isolated import (
    BROKEN,
    BYTES,
    COUNT,
    END_OF_MEMBER,
    LEFT_OUT,
    MEMBER,
    Frame,
    Isolated,
)
from acclimate.corpus.sources.names import name_parts
from acclimate.corpus.sources.record_frames import unpacked
from acclimate.corpus.sources.remote import RemoteFile
from acclimate.errors import UserError

Count = Callable[[int], None]


class Opener:
    """Opens files for reading; keeps the children that do it, one for unpacking and one for parsing."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._unpacker = Isolated()
        self._parser = Isolated()

    def close(self) -> None:
        self._unpacker.close()
        self._parser.close()

    def open(self, file: SourceFile) -> Input:
        """The bytes of a file that is no archive."""
        compression = name_parts(file.path.name).compression
        if compression:
            return _Blocks(lambda: self._unpacked(file, {"archive": "", "compression": compression}))
        return self._stored(file)

    def members(
        self, file: SourceFile, format: str, pattern: str | None
    ) -> Iterator[tuple[SourceFile, Input | Dropped]]:
        """The members of an archive, each to be read before the next; its format is still to be decided."""
        parts = name_parts(file.path.name)
        request = {
            "archive": parts.archive,
            "compression": parts.compression,
            "format": format,
            "members": pattern,
        }
        frames = self._frames(file, request)
        for kind, payload in frames:
            if kind == LEFT_OUT:
                reason, name, detail = json.loads(payload)
                yield _member(file, name), Dropped(reason, f"{file.path}/{name}", detail)
            elif kind == MEMBER:
                member = _member(file, payload.decode("utf-8", "replace"))
                blocks = _member_blocks(frames)
                yield member, _Blocks(partial(iter, blocks))
                with contextlib.suppress(BrokenStream):  # the rest of a member that was given up
                    for _ in blocks:
                        pass
            elif kind == BROKEN:
                raise BrokenStream(*json.loads(payload))

    def parsed(self, file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
        """The records of a format whose parser is foreign code, made in the child."""
        request = {
            "place": str(file.path),
            "name": file.name,
            "format": file.format,
            "choices": choices.dumped(),
        }
        with input.seekable() as opened:
            for kind, payload in self._parser.run("parse", request, [opened]):
                if kind == COUNT:
                    input.count(int(payload))
                elif kind == BROKEN:
                    raise BrokenStream(*json.loads(payload))
                else:
                    yield from unpacked(payload, file.name)

    def _unpacked(self, file: SourceFile, request: dict[str, Any]) -> Iterator[bytes]:
        for kind, payload in self._frames(file, request):
            if kind == BROKEN:
                raise BrokenStream(*json.loads(payload))
            yield payload

    def _stored(self, file: SourceFile) -> _Local | _Remote:
        if isinstance(file.path, Path):
            return _Local(file.path, self._count)
        assert isinstance(file.path, RemoteFile)
        return _Remote(file.path, self._count)

    def _frames(self, file: SourceFile, request: dict[str, Any]) -> Iterator[Frame]:
        """The unpacker's frames, counts taken out."""
        stored = self._stored(file)
        # The table of a zip stands at its end.
        in_any_order = isinstance(stored, _Local) or request["archive"] == "zip"
        with stored.seekable() if in_any_order else _pumped(stored.blocks()) as opened:
            for kind, payload in self._unpacker.run("unpack", request, [opened]):
                if kind != COUNT:
                    yield kind, payload
                elif isinstance(stored, _Local):
                    self._count(int(payload))


def _member(archive: SourceFile, name: str) -> SourceFile:
    return SourceFile(Place(f"{archive.path}/{name}"), f"{archive.name}/{name}", "")


def _member_blocks(frames: Iterator[Frame]) -> Iterator[bytes]:
    broken: BrokenStream | None = None
    for kind, payload in frames:
        if kind == END_OF_MEMBER:
            break
        if kind == BYTES:
            yield payload
        elif kind == BROKEN:
            broken = BrokenStream(*json.loads(payload))
    if broken is not None:
        raise broken


class _Blocks:
    """A stream of blocks, which is there once, as a format's input."""

    def __init__(self, blocks: Callable[[], Iterator[bytes]]) -> None:
        self.blocks = blocks

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        with scratch_file() as copy:
            for block in self.blocks():
                copy.write(block)
            copy.flush()
            copy.seek(0)
            yield cast(BinaryIO, copy)

    def count(self, stored: int) -> None:
        """Nothing: its bytes were counted when they were unpacked."""


class _Local:
    """A file on this machine, as far as it goes when it is opened."""

    def __init__(self, path: Path, count: Count) -> None:
        self._path = path
        self.count = count

    def blocks(self) -> Iterator[bytes]:
        with self.seekable() as file:
            left = file.seek(0, os.SEEK_END)
            file.seek(0)
            # Not to the end as it moves: a program may be writing faster than this reads.
            while left and (block := file.read(min(left, byte_blocks.BLOCK))):
                left -= len(block)
                self.count(len(block))
                yield block

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Raises BrokenStream by reason `vanished` where the file has gone since it was listed, and by `changed`
        after it was read to its end while its size changed; UserError where it may not be read."""
        try:
            # Without waiting: what was a file when it was listed may be a pipe by now, with nobody at its other end.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BrokenStream("vanished", "the file was there when reading began, and is gone") from error
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb", buffering=0) as raw:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise BrokenStream("special_file", "a pipe, device or folder took the file's place")
            try:
                yield io.BufferedReader(raw, byte_blocks.BLOCK)
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    raise
                raise BrokenStream("unreadable", f"reading failed: {error.strerror or error}") from error
            now = os.fstat(descriptor)
        if now.st_size != about.st_size:
            verb = "grew" if now.st_size > about.st_size else "shrank"
            raise BrokenStream(
                "changed", f"it {verb} from {about.st_size} to {now.st_size} bytes while it was read"
            )


class _Remote:
    """A file that a URL names."""

    def __init__(self, file: RemoteFile, count: Count) -> None:
        self._file = file
        self.count = count

    def blocks(self) -> Iterator[bytes]:
        try:
            with self._file.open() as file:
                yield from byte_blocks.stored_blocks(file, self.count)
        except FileNotFoundError as error:
            raise BrokenStream("vanished", "the file was there when reading began, and is gone") from error
        except OSError as error:
            raise BrokenStream("unreadable", f"reading failed: {error}") from error

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        with _Blocks(self.blocks).seekable() as copy:
            yield copy


@contextmanager
def _pumped(blocks: Iterator[bytes]) -> Iterator[int]:
    """A pipe (its end for reading) into which a thread puts the blocks: how a child gets what is no local file.

    Raises what getting the blocks raised, at the end.
    """
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def pump() -> None:
        try:
            with os.fdopen(writing, "wb", buffering=0) as file:
                for block in blocks:
                    file.write(block)
        except BrokenPipeError:
            pass  # the child has seen enough
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        thread.join()
    if failed:
        raise failed[0]
