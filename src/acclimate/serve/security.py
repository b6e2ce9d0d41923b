"""Who may ask: this machine alone, unless there is a key.

Without a key the server listens on loopback only and answers only to loopback names, so that neither the
network nor a page in the user's browser that points its own name at this machine (DNS rebinding) gets in.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from acclimate.errors import UserError
from acclimate.serve.refusals import Refusal
from acclimate.serve.responses import refused

KEY_VARIABLE = "ACCLIMATE_KEY"
OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/openapi.json"})
"""Answered without a key: the empty page, life signs and the description hold nothing of the model."""


def is_loopback(host: str) -> bool:
    """Whether listening on this host is reachable from this machine alone; a name by all its addresses."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    if not host:
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(f"host {host!r}: no such address ({error.strerror or error})") from error
    return all(ipaddress.ip_address(str(address[4][0])).is_loopback for address in found)


def check_exposure(host: str, key: str | None) -> None:
    """Raises UserError for a host that others reach when there is no key."""
    if key is None and not is_loopback(host):
        raise UserError(
            f"host {host!r} is reachable from other machines, so a key is needed: put one into the "
            f"environment variable {KEY_VARIABLE} or a file given by --key-file, or listen on 127.0.0.1"
        )


def read_key(key_file: str | None = None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The key from a file, else from the environment, else None; never an argument, which others see."""
    if key_file is not None:
        try:
            key = Path(key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UserError(f"key file {key_file}: {reason}") from error
        place = f"key file {key_file}"
    elif KEY_VARIABLE in environment:
        key, place = environment[KEY_VARIABLE].strip(), f"environment variable {KEY_VARIABLE}"
    else:
        return None
    if not key or not key.isascii() or any(c.isspace() for c in key):
        raise UserError(f"{place}: expected one key of plain ASCII characters without spaces")
    return key


class Access:
    """ASGI middleware: asks for `Authorization: Bearer KEY`, or without a key for a local `Host`."""

    def __init__(self, app: ASGIApp, *, key: str | None) -> None:
        self._app = app
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope), scope["path"])
            if refusal is not None:
                await refused(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers, path: str) -> Refusal | None:
        if self._key is None:
            name = _host_name(headers.get("host", ""))
            if name and not _loopback_name(name):
                return Refusal(
                    421,
                    "wrong_host",
                    f"this server answers to loopback names only, not to {name!r}; start it with a key",
                )
            return None
        if path in OPEN_PATHS:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._key):
            return None
        return Refusal(
            401,
            "key_needed",
            "this server asks for a key: send the header Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _loopback_name(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
