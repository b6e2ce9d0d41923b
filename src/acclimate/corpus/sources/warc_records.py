"""The records of WARC and ARC files, one after the other, with bounded memory and a way on behind damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acclimate.corpus.sources.http_message import headers_of

_MOST_HEADER = 1 << 16
_LINE = 1 << 14
_ARC_FIELDS = 5


@dataclass(frozen=True)
class Crawled:
    """A record of a crawl."""

    number: int
    """From 1 in the file."""
    headers: dict[str, str]
    """Of WARC, names in lower case. Of ARC the same names for what it tells."""
    block: bytes
    fault: str = ""
    """The reason why it cannot be used, with `detail`; then `block` is empty."""
    detail: str = ""


def crawled(blocks: Iterator[bytes], most: int) -> Iterator[Crawled]:
    """Every record; one with a block of more than `most` bytes is passed over by reason `too_long`.

    What is no record up to the next one that is, counts as one by reason `malformed_warc`.
    """
    stream = _Stream(blocks)
    number = 0
    while True:
        line = stream.line(_LINE)
        if not line:
            return
        if not line.strip():
            continue
        number += 1
        if line.startswith(b"WARC/"):
            headers = _warc_headers(stream)
            said = headers.get("content-length", "no Content-Length")
        elif (arc := _arc_headers(line)) is not None:
            headers, said = arc, arc["content-length"]
        else:
            stream.find_record()
            yield Crawled(number, {}, b"", "malformed_warc", f"expected WARC/… , found {line[:60]!r}")
            continue
        if not said.isdecimal() or len(said) > 18:
            stream.find_record()
            yield Crawled(number, headers, b"", "malformed_warc", f"expected a length, found {said[:60]!r}")
            continue
        length = int(said)
        if length > most:
            stream.skip(length)
            yield Crawled(number, headers, b"", "too_long", f"{length} bytes, more than {most}")
            continue
        block = stream.exactly(length)
        if len(block) < length:
            detail = f"{len(block)} bytes of {length}, then the file ends"
            yield Crawled(number, headers, b"", "truncated", detail)
            return
        yield Crawled(number, headers, block)


def _warc_headers(stream: _Stream) -> dict[str, str]:
    lines: list[str] = []
    size = 0
    while size < _MOST_HEADER:
        line = stream.line(_LINE)
        size += len(line)
        if not line.strip():
            break
        lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
    return headers_of(lines)


def _arc_headers(line: bytes) -> dict[str, str] | None:
    """Of a line `URL IP date type length`; the URL may hold blanks."""
    fields = line.decode("utf-8", "replace").strip().rsplit(" ", _ARC_FIELDS - 1)
    if len(fields) < _ARC_FIELDS or "://" not in fields[0]:
        return None
    url, _, date, kind, length = fields
    about = url.startswith(("filedesc://", "dns:"))
    return {
        "warc-type": "warcinfo" if about else "response",
        "warc-target-uri": url,
        "warc-date": _iso(date),
        "content-type": kind if about else "application/http",
        "content-length": length,
    }


def _iso(date: str) -> str:
    """`20140101000000` as `2014-01-01T00:00:00Z`; other forms as they are."""
    if len(date) != 14 or not date.isdecimal():
        return date
    year, rest = date[:4], [date[at : at + 2] for at in range(4, 14, 2)]
    return f"{year}-{rest[0]}-{rest[1]}T{':'.join(rest[2:])}Z"


class _Stream:
    """Lines and runs of bytes from a stream of blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = b""
        self._at = 0

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        self._held = self._held[self._at :] + block
        self._at = 0
        return bool(block)

    def line(self, most: int) -> bytes:
        """The next line with its end, or `most` bytes of it; empty at the end of the file."""
        while True:
            end = self._held.find(b"\n", self._at, self._at + most)
            if end >= 0:
                end += 1
                break
            if len(self._held) - self._at >= most or not self._more():
                end = min(len(self._held), self._at + most)
                break
        found = self._held[self._at : end]
        self._at = end
        return found

    def exactly(self, size: int) -> bytes:
        """So many bytes, or as many as there are."""
        parts = [self._held[self._at : self._at + size]]
        self._at += len(parts[0])
        size -= len(parts[0])
        while size and self._more():
            parts.append(self._held[:size])
            self._at = len(parts[-1])
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> None:
        while size:
            step = min(size, 1 << 20)
            if len(self.exactly(step)) < step:
                return
            size -= step

    def find_record(self) -> None:
        """Goes on to the next line that begins a record, or to the end."""
        while True:
            while len(self._held) - self._at < _LINE and self._more():
                pass
            if self._held.startswith((b"WARC/0.", b"WARC/1."), self._at):
                return
            end = self._held.find(b"\n", self._at, self._at + _LINE)
            arc = _arc_headers(self._held[self._at : end]) if end >= 0 else None
            if (arc and arc["content-length"].isdecimal()) or not self.line(_LINE):
                return
