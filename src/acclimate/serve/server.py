"""Binding, signals, and an orderly end."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from acclimate.errors import UserError
from acclimate.serve.service import Service


def bind(host: str, port: int) -> socket.socket:
    """A bound socket, not yet listening. Raises UserError when the address cannot be had."""
    if not 0 <= port <= 65535:  # the resolver would take it modulo 65536
        raise UserError(f"port {port}: expected a number from 0 (a free one) to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"host {host!r}: no such address ({error.strerror or error})") from error
    try:
        # Lets a restarted server take the port while the old one's connections still fade out.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot listen on {host} port {port}: {reason}; choose another port, or 0 for a free one"
        ) from error
    return found


def url(bound: socket.socket) -> str:
    """Where the server is to be found."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class GracefulServer(uvicorn.Server):
    """On a signal: new requests get 503, no more connections are taken, what is queued is answered."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        limits = service.limits
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=limits.max_connections,
                timeout_graceful_shutdown=math.ceil(limits.deadline_seconds + limits.body_seconds) + 1,
            )
        )
        self._service = service

    def stop(self) -> None:
        """Begin the end. May be called from any thread."""
        self._service.refuse_new()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.refuse_new()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Connections that were just taken get a moment to be read; else they would be closed unanswered.
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.1)
        await super().shutdown(sockets)

    def run_until_signal(self, bound: socket.socket) -> None:
        """Serve on a bound socket; returns after an orderly end."""
        with _signals_end_quietly():
            self.run(sockets=[bound])


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    # Uvicorn raises the signal again once it has ended, for whoever handled it before. The end was orderly,
    # so nobody is to be killed by it: the caller returns and the process exits 0.
    try:
        before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
