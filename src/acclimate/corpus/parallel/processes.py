"""Workers on this machine, each a process with a thread here that talks to it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Lock
from typing import IO, Any

from acclimate.artifacts.durable import scratch_file
from acclimate.corpus.parallel.crew import Batch, in_order
from acclimate.corpus.parallel.messages import Message, receive, send
from acclimate.corpus.sieve import Sifted
from acclimate.errors import UserError

_TRIES = 2
"""A batch whose worker ends is given to another one, once."""
_MOMENT = 0.05
_SAID = 2000
PROGRAM = (sys.executable, "-P", "-m", "acclimate.corpus.parallel.worker")


class Processes:
    """`count` workers. In flight are at most two batches a worker."""

    def __init__(self, count: int, description: Mapping[str, Any], program: Sequence[str] = PROGRAM) -> None:
        """`description` is what `worker.make_sieve` understands."""
        self._count = count
        self._start = (description, program)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="corpus-worker")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._list = Lock()
        self._closed = False
        self._workers: list[_Worker] = []
        for _ in range(count):
            self._idle.put(self._new())

    def _new(self) -> _Worker:
        worker = _Worker(*self._start)
        with self._list:
            self._workers.append(worker)
            if self._closed:  # nobody else would end it
                worker.close()
        return worker

    def sifted(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Sifted]]:
        def submit(message: Message) -> Any:
            return self._threads.submit(self._ask, message)

        return in_order(batches, submit, 2 * self._count)

    def _ask(self, message: Message) -> Message:
        """The answer of whichever worker is free. One that has ended is replaced, and the batch given out again."""
        worker = self._idle.get()
        try:
            for attempt in range(1, _TRIES + 1):
                try:
                    return worker.ask(message)
                except _Ended as ended:
                    with self._list:
                        self._workers.remove(worker)
                    if attempt == _TRIES:
                        raise UserError(
                            f"corpus: a worker process {ended}, twice over the same documents"
                        ) from None
                finally:
                    if worker not in self._workers:
                        worker = self._new()
            raise AssertionError("unreachable")
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Ends the workers, whatever they are doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._list:
            self._closed, workers = True, list(self._workers)
        for worker in workers:
            worker.close()
        self._threads.shutdown(wait=True)


class _Ended(Exception):
    """How a worker ended."""


class _Worker:
    """A process that answers one message at a time; it ends with its input."""

    def __init__(self, description: Mapping[str, Any], program: Sequence[str]) -> None:
        self._open = ExitStack()
        self._closing = Lock()
        self._said = self._open.enter_context(scratch_file())
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends this
        )
        with suppress(BrokenPipeError):  # found out by the first question
            send(self._pipe(self._process.stdin), (dict(description), []))

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream

    def ask(self, message: Message) -> Message:
        """Raises _Ended when the process does before it has answered."""
        try:
            send(self._pipe(self._process.stdin), message)
            answer = receive(self._pipe(self._process.stdout))
        except (BrokenPipeError, EOFError):
            answer = None
        if answer is None:
            raise _Ended(self._how())
        return answer

    def _how(self) -> str:
        self.close()
        code = self._process.returncode
        if code == -signal.SIGKILL:
            return "was ended by SIGKILL, most likely for want of memory"
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return how + (f"; it said: {self._last}" if self._last else "")

    def close(self) -> None:
        """Ends the process if it has not ended. The thread that asks and the one that ends all may both call it."""
        with self._closing:
            if not self._said.closed:
                self._end()

    def _end(self) -> None:
        with suppress(subprocess.TimeoutExpired):  # one that is about to end tells how by its exit code
            self._process.wait(_MOMENT)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                self._pipe(stream).close()
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - _SAID))
        self._last = self._said.read().decode("utf-8", "replace").strip()
        self._open.close()
