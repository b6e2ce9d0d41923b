"""What runs in the child process: unpacking and parsing, under a limit on memory. Started by `isolated`."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources import archives
from acclimate.corpus.sources.byte_blocks import BrokenStream, decompressed, stored_blocks
from acclimate.corpus.sources.format import Choices, Place, SourceFile
from acclimate.corpus.sources.isolated import (
    BROKEN,
    BYTES,
    COUNT,
    END,
    END_OF_MEMBER,
    HEAD,
    LEFT_OUT,
    MEMBER,
    RECORDS,
    Frame,
)
from acclimate.corpus.sources.record_frames import packed

_RECORDS = 512
_CHARACTERS = 1 << 20
"""Records are sent together, up to so many characters."""


class _OpenFile:
    """An open file that came over the socket, as a format's input."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.stored = 0

    def blocks(self) -> Iterator[bytes]:
        return stored_blocks(self._file, self.count)

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        yield self._file

    def count(self, stored: int) -> None:
        self.stored += stored

    def counted(self) -> Iterator[Frame]:
        """What was read since this was asked last."""
        if self.stored:
            yield COUNT, str(self.stored).encode()
            self.stored = 0


def _parse(request: dict[str, Any], file: BinaryIO) -> Iterator[Frame]:
    from acclimate.corpus.sources.formats import FORMATS

    source = SourceFile(Place(request["place"]), request["name"], request["format"])
    input = _OpenFile(file)
    held: list[Record | Dropped] = []
    characters = 0
    broken: BrokenStream | None = None
    records = FORMATS[source.format].read(source, input, Choices(**request["choices"]))
    while True:
        try:
            record = next(records, None)
        except BrokenStream as error:
            record, broken = None, error
        if record is not None:
            held.append(record)
            characters += sum(map(len, record.fields.values())) if isinstance(record, Record) else 0
        if held and (record is None or len(held) >= _RECORDS or characters >= _CHARACTERS):
            yield RECORDS, packed(held)
            yield from input.counted()
            held, characters = [], 0
        if broken is not None:
            raise broken
        if record is None:
            return


def _unpack(request: dict[str, Any], file: BinaryIO) -> Iterator[Frame]:
    """The bytes of a compressed file, or those of every member of an archive that is to be read."""
    input = _OpenFile(file)
    if not request["archive"]:
        for block in decompressed(input.blocks(), request["compression"]):
            yield BYTES, block
            yield from input.counted()
        yield from input.counted()
        return
    from acclimate.corpus.sources.formats import known_format

    def known(name: str) -> bool:
        found = known_format(name)
        return found is not None and request["format"] in ("auto", found)

    for member in archives.members(
        request["archive"], input.blocks(), request["compression"], lambda: file, known, request["members"]
    ):
        if member.left_out:
            yield LEFT_OUT, json.dumps([member.left_out, member.name, member.detail]).encode()
            continue
        yield MEMBER, member.name.encode("utf-8", "replace")
        try:
            for block in member.blocks:
                yield BYTES, block
                yield from input.counted()
        except BrokenStream as error:
            yield BROKEN, json.dumps([error.reason, error.detail]).encode()
        yield END_OF_MEMBER, b""
        yield from input.counted()


_TASKS: dict[str, Callable[[dict[str, Any], BinaryIO], Iterator[Frame]]] = {
    "parse": _parse,
    "unpack": _unpack,
}


def _answer(line: socket.socket, request: dict[str, Any], descriptor: int) -> None:
    with cast(BinaryIO, line.makefile("wb", buffering=1 << 18)) as out, open(descriptor, "rb") as file:
        try:
            for kind, payload in _TASKS[request["task"]](request, file):
                out.write(HEAD.pack(kind, len(payload)))
                out.write(payload)
        except BrokenStream as error:
            _say(out, error.reason, error.detail)
        except MemoryError:
            _say(out, "out_of_memory", "its parser ran out of the memory that it may use")
        except OSError as error:
            _say(out, "unreadable", str(error))
        except Exception as error:
            # A parser that stumbles over bytes it never expected; its own kinds of errors are told by the formats.
            _say(out, "corrupt", f"{type(error).__name__}: {error}"[:500])
        out.write(HEAD.pack(END, 0))


def _say(out: BinaryIO, reason: str, detail: str) -> None:
    payload = json.dumps([reason, detail]).encode()
    out.write(HEAD.pack(BROKEN, len(payload)))
    out.write(payload)


def _next_request(line: socket.socket) -> tuple[dict[str, Any], int] | None:
    head, descriptors, _, _ = socket.recv_fds(line, 4, 1)
    if not head:
        return None
    (length,) = struct.unpack("<I", head)
    with line.makefile("rb", buffering=0) as stream:
        message = b""
        while len(message) < length:
            message += stream.read(length - len(message)) or b""
    return json.loads(message), descriptors[0]


def main() -> None:
    """Answers requests until the parent goes."""
    descriptor, memory = int(sys.argv[1]), int(sys.argv[2])
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # not every system knows them, or lets them be lowered
            resource.setrlimit(limit, (value, value))
    line = socket.socket(fileno=descriptor)
    try:
        while (asked := _next_request(line)) is not None:
            _answer(line, *asked)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the parent lost interest


if __name__ == "__main__":
    main()
