"""Foreign binary formats are parsed in a child process with a limit on its memory, so that a crash, a bomb or an
endless loop costs the file and not the run.

One child serves a whole source, file after file, and is started when it is first needed. It gets open files over a
socket, never paths, and answers in frames: a kind, a length, and bytes. What it found travels as plain bytes and JSON,
so that a parser that was taken over can lie about its file and do nothing else here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, BinaryIO, cast

from acclimate.corpus.sources.byte_blocks import BrokenStream

MEMORY = 4 << 30
"""Bytes of address space for a child."""
PATIENCE = 300.0
"""Seconds that a child may take for its next frame."""
HEAD = struct.Struct("<cQ")
BYTES, RECORDS, COUNT, MEMBER, LEFT_OUT, BROKEN, END_OF_MEMBER, END = (
    b"d",
    b"r",
    b"c",
    b"m",
    b"l",
    b"b",
    b"e",
    b"z",
)
"""Kinds of frames: bytes, records, stored bytes read, a member's beginning, one left out, why the rest cannot
be read, a member's end, the end of the task."""
Frame = tuple[bytes, bytes]


class Isolated:
    """A child process that does one task after the other."""

    def __init__(self, memory: int = MEMORY, patience: float = PATIENCE) -> None:
        self._memory = memory
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def run(self, task: str, request: dict[str, Any], files: Sequence[BinaryIO | int]) -> Iterator[Frame]:
        """The frames of a task up to its end. Raises BrokenStream for `BROKEN` frames behind the last member's end,
        and by reason `crashed` where the child died, `timed_out` where it said nothing for too long.
        """
        line = self._started()
        ended = False
        try:
            message = json.dumps({**request, "task": task}).encode()
            descriptors = [file if isinstance(file, int) else file.fileno() for file in files]
            try:
                socket.send_fds(line, [struct.pack("<I", len(message))], descriptors)
                line.sendall(message)
                with cast(IO[bytes], line.makefile("rb", buffering=1 << 18)) as frames:
                    while True:
                        kind, length = HEAD.unpack(_exactly(frames, HEAD.size))
                        payload = _exactly(frames, length)
                        if kind == END:
                            ended = True
                            return
                        yield kind, payload
            except TimeoutError as error:
                detail = f"its parser said nothing for {self._patience:g} seconds and was stopped"
                raise BrokenStream("timed_out", detail) from error
            except (EOFError, OSError) as error:
                raise BrokenStream("crashed", f"its parser {self._last_words()}") from error
        finally:
            # Frames of an abandoned task are on their way: the next task gets a new child.
            if not ended:
                self.close()

    def _started(self) -> socket.socket:
        if self._process is not None and self._socket is not None and self._process.poll() is None:
            return self._socket
        self.close()
        ours, theirs = socket.socketpair()
        ours.settimeout(self._patience)
        with theirs:
            self._process = subprocess.Popen(
                # -P: what lies in the current folder is never imported.
                [
                    *(sys.executable, "-P", "-m", "acclimate.corpus.sources.isolated_child"),
                    *(str(theirs.fileno()), str(self._memory)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # One thread, and no allocator that reserves address space in advance.
                env={
                    **os.environ,
                    "ARROW_DEFAULT_MEMORY_POOL": "system",
                    "OMP_NUM_THREADS": "1",
                    "MALLOC_ARENA_MAX": "1",
                    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
                },
                start_new_session=True,  # Ctrl-C is for the parent, which then ends this
            )
        self._socket = ours
        return ours

    def _last_words(self) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def close(self) -> None:
        """Ends the child, whatever it is doing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _exactly(frames: IO[bytes], size: int) -> bytes:
    data = frames.read(size)
    if len(data) < size:
        raise EOFError
    return data
