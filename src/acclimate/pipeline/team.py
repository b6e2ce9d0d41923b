"""Starting the other ranks of a training, and ending them; each is a process of its own on this machine.

A rank reads its description from standard input, which then stays open for as long as rank 0 lives: where it closes,
the rank ends at once, so that a killed rank 0 leaves none behind. Ranks are in sessions of their own and deaf to
Ctrl-C and SIGTERM: rank 0 alone is asked to stop, saves, and ends them. They hold nothing that would have to be saved.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from acclimate.artifacts.durable import scratch_folder
from acclimate.engine.exchange import LostRank, ProcessGroup, SharedMemory
from acclimate.engine.ranks import Ranks, Together
from acclimate.errors import UserError
from acclimate.kernels.build import switched_on

_PATIENCE = 10.0
"""Seconds that a rank which is missed may take to end: it is telling why."""
_LINES = 12
"""Of what a rank said last."""


class Team:
    """What rank 0 knows of the others. With a size of 1 there are none, and nothing happens."""

    def __init__(
        self,
        size: int,
        *,
        device: torch.device,
        threads: int,
        description: Mapping[str, Any],
        program: Sequence[str] = ("-m", "acclimate.pipeline.rank"),
    ) -> None:
        """Starts the others and goes on; the first sum waits for them.

        `threads` of all ranks together; `description` is JSON that the others get from `join`; `program` are Python's
        arguments that make one.
        """
        self.size = size
        self.threads = max(1, threads // size)
        """Of each rank."""
        self.device = _device(device, 0, size)
        self.ranks = Ranks()
        """For the training."""
        self._program = program
        self._mates: list[_Mate] = []
        self._open = ExitStack()
        try:
            self._start({"work": description, "size": size, "threads": self.threads, "device": device.type})
        except BaseException:
            self.end()
            raise

    def _start(self, description: dict[str, Any]) -> None:
        if self.size == 1:
            return
        shared: dict[str, Any] = {}
        handles: list[int] = []
        if self.device.type == "cpu" and switched_on() and hasattr(os, "memfd_create"):
            shared["memory"] = os.memfd_create("acclimate-gradients")
            handles.append(shared["memory"])
            self._open.callback(os.close, shared["memory"])
        else:
            shared["meeting"] = str(self._open.enter_context(scratch_folder()) / "meeting")
        sockets = []
        for rank in range(1, self.size):
            ours, theirs = socket.socketpair()
            sockets.append(self._open.enter_context(ours))
            with theirs:
                own = {**description, **shared, "rank": rank, "socket": theirs.fileno()}
                self._mates.append(_Mate(rank, self._program, own, [theirs.fileno(), *handles], self.threads))
        exchange = _exchange(0, self.size, sockets, shared)
        if isinstance(exchange, ProcessGroup):
            self._open.callback(exchange.close)
        self.ranks = Together(exchange)

    def end(self) -> None:
        """End the others; nothing happens where there are none any more."""
        for mate in self._mates:
            mate.end()
        self._mates = []
        self._open.close()

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, LostRank):
                raise self._lost() from error
        finally:
            self.end()

    def _lost(self) -> UserError:
        """Which rank has ended, how, and what it said."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            for mate in self._mates:
                if (how := mate.how_it_ended(0.05)) is not None:
                    return UserError(f"rank {mate.rank} of {self.size} {how}")
        return UserError(f"one of {self.size} ranks does not answer any more")


class _Mate:
    """Another rank's process."""

    def __init__(
        self,
        rank: int,
        program: Sequence[str],
        description: Mapping[str, Any],
        handles: list[int],
        threads: int,
    ) -> None:
        self.rank = rank
        # -P: a file in the current folder named like a module of Python's shall not be taken for it.
        self._process = subprocess.Popen(
            (sys.executable, "-P", *program),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            pass_fds=handles,
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
        self._said: deque[str] = deque(maxlen=_LINES)
        self._reader = threading.Thread(target=self._listen, name=f"rank-{rank}", daemon=True)
        self._reader.start()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already: found out when it is missed
            self._process.stdin.write(json.dumps(description) + "\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._said.extend(self._process.stderr)

    def how_it_ended(self, patience: float) -> str | None:
        """`ended with exit code 1; it said: …`; None when it has not ended in so many seconds."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(1.0)
        said = "".join(self._said).strip()
        how = (
            f"was ended by {signal.Signals(-code).name}, most likely for want of memory"
            if code == -signal.SIGKILL
            else f"was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )
        return f"{how}; it said: {said}" if said else f"{how} and said nothing"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(1.0)
        for stream in (self._process.stdin, self._process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


def join() -> tuple[dict[str, Any], torch.device, Ranks]:
    """What a rank that a `Team` has started does first: (description, its device, itself among the others).

    Its number of threads is set.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_rank_0, name="rank-0-lives", daemon=True).start()
    rank, size = given["rank"], given["size"]
    torch.set_num_threads(given["threads"])
    exchange = _exchange(rank, size, [socket.socket(fileno=given["socket"])], given)
    return given["work"], _device(torch.device(given["device"]), rank, size), Together(exchange)


def _exchange(
    rank: int, size: int, sockets: list[socket.socket], shared: Mapping[str, Any]
) -> SharedMemory | ProcessGroup:
    if "memory" in shared:
        return SharedMemory(rank, sockets, shared["memory"], size=size)
    return ProcessGroup(rank, sockets, Path(shared["meeting"]), size=size)


def _end_with_rank_0() -> None:
    sys.stdin.read()
    os._exit(1)


def _device(device: torch.device, rank: int, size: int) -> torch.device:
    """The device of one rank. Raises UserError when there are not enough accelerators."""
    if device.type != "cuda" or size == 1:
        return device
    if size > torch.cuda.device_count():
        raise UserError(
            f"hardware.ranks is {size}, and there are {torch.cuda.device_count()} CUDA devices: one for each is needed"
        )
    return torch.device("cuda", rank)
