"""A client that loads a server: Poisson arrivals that wait for nobody (open loop), or one request after the other.

A candidate of the harness, so it has a process of its own. Latency counts from the moment at which a request was due,
not from the one at which it could be sent: what a slow server holds up is held against it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections import Counter, deque
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from session import Session

CONNECTIONS = 384
"""Open at most; beyond them a request waits here, on its own clock."""
BACKLOG = 0.5
"""Seconds of arrivals: with more of them unanswered the server counts as overrun and the trial ends."""
GRACE = 10.0
"""Seconds that the last answers are waited for."""


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: host, port, path, bodies (a JSON file: texts to ask, one a request), cores (to run on).

    Commands: {"rate": requests a second, "seconds": s, "seed": n} an open loop; {"closed": n} one request after the
    other; {"answers": n} what the server says to the first n texts. Open and closed start with a different text each
    time. Answers: requests, failed, seconds, p50, p99 (ms); of an open loop also late: how long after its moment the
    client itself came to a request (ms, 99th percentile), which is long where the client is short of a core.
    """
    if specification.get("cores"):
        os.sched_setaffinity(0, specification["cores"])
    host, port = specification["host"], specification["port"]
    texts = json.loads(Path(specification["bodies"]).read_text("utf-8"))
    requests = [_request(host, port, specification["path"], text) for text in texts]
    session.answer(ready=True)
    turn = 0
    while True:
        order = session.command()
        if "answers" in order:
            said = [body for _, body in _closed(host, port, requests[: order["answers"]])[1]]
            session.answer(said=[json.loads(body) for body in said])
            continue
        turn += 1
        rotated = requests[turn * 97 % len(requests) :] + requests
        if "closed" in order:
            begun = time.perf_counter()
            latencies, answers = _closed(host, port, list(islice(cycle(rotated), order["closed"])))
            failed = sum(status != 200 for status, _ in answers)
            session.answer(**_figures(latencies, failed, time.perf_counter() - begun))
        else:
            trial = Open(host, port, rotated, order["rate"], order["seconds"], order["seed"])
            session.answer(**asyncio.run(trial.run()))


def _request(host: str, port: int, path: str, text: str) -> bytes:
    body = json.dumps({"texts": [text]}, ensure_ascii=False).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _figures(latencies: list[float], failed: int, seconds: float, **others: Any) -> dict[str, Any]:
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000 if latencies else (float("inf"), float("inf"))
    return {
        "requests": len(latencies),
        "failed": failed,
        "seconds": seconds,
        "p50": p50,
        "p99": p99,
        **others,
    }


class Reply:
    """Bytes of one answer as they come."""

    def __init__(self) -> None:
        self._data = b""
        self._whole = -1
        self._body = 0

    def add(self, data: bytes) -> tuple[int, bytes] | None:
        """(status, body) once all is there."""
        self._data += data
        if self._whole < 0:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return None
            fields = self._data[:end].lower().split(b"\r\n")
            length = next((int(one[15:]) for one in fields if one.startswith(b"content-length:")), 0)
            self._body, self._whole = end + 4, end + 4 + length
        if len(self._data) < self._whole:
            return None
        return int(self._data[9:12]), self._data[self._body : self._whole]


def _closed(host: str, port: int, requests: list[bytes]) -> tuple[list[float], list[tuple[int, bytes]]]:
    latencies, answers = [], []
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            begun = time.perf_counter()
            connection.sendall(request)
            reply = Reply()
            while (found := reply.add(connection.recv(65536))) is None:
                pass
            latencies.append(time.perf_counter() - begun)
            answers.append(found)
    return latencies, answers


class _Line(asyncio.Protocol):
    """A connection that is kept: one request at a time."""

    def __init__(self, trial: Open) -> None:
        self._trial = trial
        self._reply = Reply()
        self._due = 0.0
        self.busy = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes, due: float) -> None:
        self._due, self._reply, self.busy = due, Reply(), True
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        found = self._reply.add(data)
        if found is not None:
            self.busy = False
            self._trial.answered(self, found[0], self._due)

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self.busy = False
            self._trial.answered(None, 0, self._due)


class Open:
    """One trial at one rate."""

    def __init__(
        self, host: str, port: int, requests: list[bytes], rate: float, seconds: float, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        gaps = generator.exponential(1 / rate, size=int(rate * seconds * 1.5) + 10)
        arrivals = np.cumsum(gaps)
        self._rate = rate
        self._arrivals = arrivals[arrivals < seconds].tolist() or [0.0]
        self._place = (host, port)
        self._requests = requests
        self._free: list[_Line] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._lines = 0
        self._latencies: list[float] = []
        self._late: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._over = asyncio.Event()
        self._last = 0.0
        self._done = False

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        for _ in range(16):
            await self._connect()
        begun = loop.time() + 0.05
        sent, most = 0, max(32, BACKLOG * self._rate)
        for number, arrival in enumerate(self._arrivals):
            due = begun + arrival
            while (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if number % 64 == 0:
                await asyncio.sleep(0)  # answers are read even where we are late
            if sent - self._statuses.total() > most:
                break
            self._late.append(loop.time() - due)
            self._send(self._requests[number % len(self._requests)], due)
            sent += 1
        self._sent, self._done = sent, True
        if self._statuses.total() < sent:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), GRACE)
        overrun = sent < len(self._arrivals)
        good = self._statuses[200]
        failed = sent - good + (len(self._arrivals) - sent if overrun else 0)
        for line in self._free:
            line.transport.close()
        offered = len(self._arrivals) / self._arrivals[-1] if self._arrivals[-1] else 0.0
        return _figures(
            self._latencies,
            failed,
            max(self._last - begun, 1e-9),
            offered=offered,
            late=float(np.percentile(self._late, 99)) * 1000,
            statuses={str(key): value for key, value in self._statuses.items()},
        )

    async def _connect(self) -> None:
        _, line = await asyncio.get_running_loop().create_connection(lambda: _Line(self), *self._place)
        self._lines += 1
        self._free.append(line)

    def _send(self, request: bytes, due: float) -> None:
        if self._free:
            self._free.pop().send(request, due)
            return
        self._waiting.append((request, due))
        if self._lines < CONNECTIONS:
            self._lines += 1
            self._opening = asyncio.ensure_future(self._another())

    async def _another(self) -> None:
        try:
            _, line = await asyncio.get_running_loop().create_connection(lambda: _Line(self), *self._place)
        except OSError:
            self._lines -= 1
            return
        self._next(line)

    def _next(self, line: _Line) -> None:
        if self._waiting:
            line.send(*self._waiting.popleft())
        else:
            self._free.append(line)

    def answered(self, line: _Line | None, status: int, due: float) -> None:
        """An answer, or (status 0) a connection that broke before it."""
        self._last = asyncio.get_running_loop().time()
        self._statuses[status] += 1
        if status == 200:
            self._latencies.append(self._last - due)
        if line is None:
            self._lines -= 1
        else:
            self._next(line)
        if self._done and self._statuses.total() >= self._sent:
            self._over.set()
