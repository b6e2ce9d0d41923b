from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.document import Document, Dropped
from acclimate.corpus.sources.files import Files
from acclimate.corpus.sources.http_message import response_of

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
PAGE = "<html><title>题</title><p>正文</p></html>"


def record(
    kind: str, block: bytes, *, content: str = "application/http; msgtype=response", url: str = "http://a.b/"
) -> bytes:
    return (
        (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-01-02T03:04:05Z\r\n"
            f"Content-Type: {content}\r\nContent-Length: {len(block)}\r\n\r\n"
        ).encode()
        + block
        + b"\r\n\r\n"
    )


def answer(body: bytes, *, status: int = 200, content: str = "text/html", more: str = "") -> bytes:
    return f"HTTP/1.1 {status} OK\r\nContent-Type: {content}\r\n{more}\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    return b"".join(f"{len(piece):x};x=y\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


def read(path: Path, **settings: Any) -> list[Document | Dropped]:
    reader = Files(path=str(path), **settings).build()
    items = list(reader.read())
    assert reader.bytes_done == path.stat().st_size
    return items


BODIES = {
    "plain": answer(PAGE.encode()),
    "charset": answer(PAGE.encode("gbk"), content="text/html; charset=gbk"),
    "chunked": answer(chunked(PAGE.encode()), more="Transfer-Encoding: chunked\r\n"),
    "chunked in name": answer(PAGE.encode(), more="Transfer-Encoding: chunked\r\n"),
    "gzip": answer(gzip.compress(PAGE.encode()), more="Content-Encoding: gzip\r\n"),
    "both": answer(
        chunked(gzip.compress(PAGE.encode())), more="Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"
    ),
    "deflate": answer(zlib.compress(PAGE.encode()), more="Content-Encoding: deflate\r\n"),
    "bare deflate": answer(zlib.compress(PAGE.encode())[2:-4], more="Content-Encoding: deflate\r\n"),
    "gzip in name": answer(PAGE.encode(), more="Content-Encoding: gzip\r\n"),
    "xhtml": answer(PAGE.encode(), content="application/xhtml+xml"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_come_unpacked_and_decoded(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(record("response", BODIES[name])))
    (one,) = read(path)
    assert isinstance(one, Document) and one.text == PAGE
    assert one.fields == {"url": "http://a.b/", "date": "2024-01-02T03:04:05Z", "title": "题"}
    assert one.place == f"{path}:1"


def test_all_else_is_dropped_by_reason(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.warc"
    bomb = answer(gzip.compress(b"x" * 10_000_000), more="Content-Encoding: gzip\r\n")
    path.write_bytes(
        record("warcinfo", b"software: x", content="application/warc-fields")
        + record("request", b"GET / HTTP/1.1", content="application/http; msgtype=request")
        + record("revisit", answer(b""))
        + record("response", answer(b"gone", status=404))
        + record("response", answer(b"\x89PNG", content="image/png"))
        + record("response", b"no http at all")
        + record("response", answer(b"br", more="Content-Encoding: br\r\n"))
        + record("response", bomb)
        + record("response", answer(b""))
        + record("response", answer(b"x" * 5_000_000))
        + record("conversion", "文本".encode(), content="text/plain")
        + record("resource", PAGE.encode(), content="text/html")
    )
    kept, dropped = sorted_out(read(path, max_document=100_000))
    assert [one.text for one in kept] == ["文本", PAGE]
    assert dropped == {
        "not_a_page": 3,
        "http_status": 1,
        "not_html": 1,
        "malformed_http": 1,
        "content_encoding": 1,
        "bomb": 1,
        "empty": 1,
        "too_long": 1,
    }


@pytest.mark.parametrize("damage", ["garbage", "length", "no length", "binary"])
def test_a_broken_record_costs_itself(tmp_path: Path, damage: str, sorted_out: Sort) -> None:
    good = record("response", answer(PAGE.encode()))
    bad = {
        "garbage": b"this is no record\r\nat all\r\n\r\n",
        "length": good.replace(b"Content-Length: ", b"Content-Length: 1"),
        "no length": good.replace(b"Content-Length: ", b"Content-Len: "),
        "binary": bytes(range(256)) * 100 + b"\n",
    }[damage]
    path = tmp_path / "a.warc"
    path.write_bytes(good + bad + good * 3)
    kept, dropped = sorted_out(read(path))
    # A length that is too long swallows what follows it.
    assert len(kept) >= (1 if damage == "length" else 4) and 1 <= sum(dropped.values()) <= 2
    assert set(dropped) <= {"malformed_warc", "truncated", "malformed_http"}


def test_cut_off_anywhere_nothing_before_is_lost(tmp_path: Path, sorted_out: Sort) -> None:
    one = record("response", answer(PAGE.encode()))
    path = tmp_path / "a.warc"
    for keep in range(len(one) * 2 + 1, len(one) * 3 - 4, 17):
        path.write_bytes((one * 3)[:keep])
        kept, dropped = sorted_out(read(path))
        assert len(kept) == 2 and sum(dropped.values()) == 1


REAL = {
    # name: (pages, by reason)
    "bad.arc": (0, {"malformed_warc": 2, "malformed_http": 1}),
    "example-bad-non-chunked.warc.gz": (1, {"not_a_page": 5}),
    "example-bad.warc.gz.bad": (0, {"malformed_warc": 1}),
    "example-digest.warc": (0, {"not_a_page": 4}),
    "example-iana.org-chunked.warc": (1, {"not_a_page": 2}),
    "example-resource.warc.gz": (1, {"not_a_page": 2}),
    "example-space-in-target-uri.warc.gz": (0, {"not_a_page": 2}),
    "example-space-in-url.arc": (0, {"not_a_page": 1, "truncated": 1}),
    "example-trunc.warc": (1, {"not_a_page": 3, "malformed_warc": 1}),
    "example-wget-bad-target-uri.warc.gz": (1, {"not_a_page": 5}),
    "example-wrong-chunks.warc.gz": (1, {"not_a_page": 1}),
    "example.arc": (1, {"not_a_page": 1}),
    "example.arc.gz": (1, {"not_a_page": 1}),
    "example.warc": (1, {"not_a_page": 5}),
    "example.warc.gz": (1, {"not_a_page": 5}),
    "whirlwind.warc.gz": (1, {"not_a_page": 3}),
    "whirlwind.warc.wat.gz": (0, {"not_a_page": 2}),
    "whirlwind.warc.wet.gz": (1, {"not_a_page": 1}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_crawls(shared: Path, name: str, sorted_out: Sort) -> None:
    kept, dropped = sorted_out(read(shared / "warc" / name, format="warc"))
    assert (len(kept), dict(dropped)) == REAL[name]
    assert all("url" in one.fields and "date" in one.fields for one in kept)
    if "iana" not in name and "whirlwind" not in name and kept:
        assert "<title>Example Domain</title>" in kept[0].text


@pytest.mark.parametrize(
    "name", ["example.warc", "example.warc.gz", "whirlwind.warc.gz", "example-iana.org-chunked.warc"]
)
def test_the_bodies_are_those_of_warcio(shared: Path, name: str) -> None:
    from warcio.archiveiterator import ArchiveIterator

    with (shared / "warc" / name).open("rb") as stream:
        bodies = [
            each.content_stream().read().decode()
            for each in ArchiveIterator(stream)
            if each.rec_type == "response"
        ]
    items = read(shared / "warc" / name)
    assert [one.text for one in items if isinstance(one, Document)] == bodies


def test_headers_may_be_folded_and_odd() -> None:
    found = response_of(b'HTTP/1.0 200\nContent-Type: Text/HTML;\n charset="GBK"\nbroken line\n\nbody', 100)
    assert (found.status, found.content_type, found.charset, found.body) == (200, "text/html", "GBK", b"body")
