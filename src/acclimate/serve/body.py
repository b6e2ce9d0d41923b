"""Reads a request's body whole, within bounds of size and time, before anything looks at it."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acclimate.serve.refusals import Refusal, too_large
from acclimate.serve.responses import refused

_DRAIN_BYTES = 16_000_000
_DRAIN_SECONDS = 1.0


class BoundedBody:
    """ASGI middleware. The bytes are counted as they arrive, whatever Content-Length says."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            late = Refusal(
                408,
                "body_too_slow",
                f"the body did not arrive within {self._seconds:g} s",
                headers={"Connection": "close"},
            )
            await refused(late)(scope, receive, send)
            return
        except Refusal as refusal:
            await refused(refusal)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the client left."""
        declared = Headers(scope=scope).get("content-length", "")
        refusal = too_large(f"the body is larger than {self._max_bytes:,} bytes")
        refusal.headers["Connection"] = "close"
        if declared.isdigit() and int(declared) > self._max_bytes:
            if not _expects_continue(scope):
                await _drain(receive)
            raise refusal
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                chunks.clear()
                await _drain(receive, more=bool(message.get("more_body")))
                raise refusal
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _expects_continue(scope: Scope) -> bool:
    return Headers(scope=scope).get("expect", "").lower() == "100-continue"


async def _drain(receive: Receive, *, more: bool = True) -> None:
    # A connection closed on unread bytes is reset, and the reset can overtake the answer: a client that is
    # still sending would see a broken connection, not the 413. So some of the rest is read and thrown away.
    size = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and size < _DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                more = message["type"] == "http.request" and bool(message.get("more_body"))
    except TimeoutError:
        pass


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once, then what the connection gives (its end)."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
