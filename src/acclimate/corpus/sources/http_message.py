"""A stored HTTP response: status, headers, and the body as it was before it was packed for the way."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from acclimate.corpus.sources.byte_blocks import BrokenStream

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\n]{0,200}\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""", re.IGNORECASE)


@dataclass(frozen=True)
class Response:
    """What a server answered."""

    status: int
    content_type: str
    """In lower case, without parameters; empty where none is told."""
    charset: str | None
    body: bytes


def response_of(block: bytes, most: int) -> Response:
    """Of the bytes of a response, as they went over the wire.

    Raises BrokenStream by reason `malformed_http` where they are none, `content_encoding` where the body is packed in
    a way that cannot be undone, `bomb` where it swells to more than `most` bytes.
    """
    head, _, body = _split(block)
    lines = head.decode("latin-1").split("\n")
    status = re.match(r"HTTP/\d(?:\.\d)?\s+(\d{3})", lines[0])
    if status is None:
        raise BrokenStream("malformed_http", f"expected a line HTTP/… with a status, found {lines[0][:60]!r}")
    headers = headers_of(lines[1:])
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _dechunked(body)
    packed = headers.get("content-encoding", "").lower().strip()
    if packed in ("gzip", "x-gzip", "deflate"):
        body = _inflated(body, most)
    elif packed not in ("", "identity", "none", "utf-8"):
        raise BrokenStream("content_encoding", f"the body is packed as {packed[:40]!r}")
    kind = headers.get("content-type", "")
    charset = _CHARSET.search(kind)
    return Response(int(status[1]), media_type(kind), charset[1] if charset else None, body)


def media_type(header: str) -> str:
    """`text/html` of `Text/HTML; charset=utf-8`."""
    return header.partition(";")[0].strip().lower()


def headers_of(lines: list[str]) -> dict[str, str]:
    """Names in lower case → values; a line that begins with white space goes on with the one before."""
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t") and name:
            headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and name:
            headers[name] = value.strip()
    return headers


def _split(block: bytes) -> tuple[bytes, bytes, bytes]:
    ends = [(at, end) for end in (b"\r\n\r\n", b"\n\n") if (at := block.find(end)) >= 0]
    if not ends:
        return block, b"", b""
    at, end = min(ends)
    return block[:at], end, block[at + len(end) :]


def _dechunked(body: bytes) -> bytes:
    """The body put together; as it is where it is not in chunks, whatever its header says, and up to the fault where
    chunks end in one."""
    parts: list[bytes] = []
    at = 0
    while (size := _CHUNK.match(body, at)) is not None:
        length = int(size[1], 16)
        if not length:
            return b"".join(parts)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        while body[at : at + 1] in (b"\r", b"\n"):
            at += 1
    return b"".join(parts) if parts else body


def _inflated(body: bytes, most: int) -> bytes:
    """Unpacked; as it is where it was never packed, whatever its header says."""
    for wbits in (47, -15):  # gzip and zlib by their marks, then bare deflate
        stream = zlib.decompressobj(wbits=wbits)
        try:
            text = stream.decompress(body, most + 1)
        except zlib.error:
            continue
        if len(text) > most:
            raise BrokenStream("bomb", f"{len(body)} bytes unpack to more than {most}")
        if text or stream.eof:
            return text
    return body
