from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.sources.files import Files
from acclimate.corpus.sources.page_bytes import page_fields, page_text

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
CHINESE = "<p>我们提出了一种新的方法。</p>"
FRENCH = "<p>Été à l’école “où”</p>"


@pytest.mark.parametrize(
    ("head", "body", "codec"),
    [
        ('<meta charset="utf-8">', CHINESE, "utf-8"),
        ("", CHINESE, "utf-8"),
        ("<meta charset=gb2312>", CHINESE + "<p>朱镕基</p>", "gb18030"),
        ('<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=GBK">', CHINESE, "gbk"),
        ('<meta charset="iso-8859-1">', FRENCH, "cp1252"),
        ('<?xml version="1.0" encoding="windows-1251"?>', "<p>Привет</p>", "cp1251"),
        ("", CHINESE, "utf-16"),
        ("", CHINESE, "utf-8-sig"),
        ('<meta charset="iso-2022-jp">', "<p>日本語</p>", "iso2022_jp"),
        ('<meta charset="shift_jis">', "<p>髙橋①</p>", "cp932"),
        ('<meta charset="utf-16">', CHINESE, "utf-8"),
        ('<meta charset="latin-1">', CHINESE, "utf-8"),  # wrong, and UTF-8 is not by chance
        ('<meta charset="no-such">', CHINESE * 20, "gb18030"),
    ],
)
def test_the_encoding_is_the_browsers(head: str, body: str, codec: str) -> None:
    page = f"{head}<html>{body}</html>"
    assert page_text(page.encode(codec)) == page


def test_what_the_server_told_counts_before_the_page() -> None:
    page = '<meta charset="iso-8859-1"><p>Привет</p>'
    assert page_text(page.encode("cp1251"), "windows-1251") == page


def test_few_bad_places_are_replaced_and_many_are_not() -> None:
    page = b"<meta charset=utf-8>" + "好".encode() * 300
    assert page_text(page + b"\xff" + b"x" * 50) == page.decode() + "\ufffd" + "x" * 50
    assert page_text(b"<meta charset=utf-8>" + b"\xff\xfe\x80" * 300) is None


def test_title_and_address() -> None:
    page = "<title>A &amp;\n B</title><link href='https://a.b/?x=1&amp;y' rel=canonical>"
    assert page_fields(page) == {"title": "A & B", "url": "https://a.b/?x=1&y"}
    assert page_fields(page, "https://c.d")["url"] == "https://c.d"
    assert page_fields("<p>no head</p>") == {}


def test_a_page_a_file(tmp_path: Path, sorted_out: Sort) -> None:
    page = "<html><title>题</title><body>\r\n<p>文\0</p></body></html>"
    (tmp_path / "a.html").write_bytes(page.encode())
    (tmp_path / "b.htm").write_bytes(b"  \n ")
    (tmp_path / "c.html").write_bytes(b"x" * 5000)
    reader = Files(path=str(tmp_path), max_document=1000).build()
    kept, dropped = sorted_out(reader.read())
    assert [(one.text, one.fields) for one in kept] == [(page.replace("\0", "\ufffd"), {"title": "题"})]
    assert dropped == {"empty": 1, "too_long": 1}
    (tmp_path / "d.html").write_bytes("<p>é".encode("latin-1"))
    kept, dropped = sorted_out(Files(path=str(tmp_path / "d.html"), encoding="latin-1").build().read())
    assert kept[0].text == "<p>é"
    kept, dropped = sorted_out(Files(path=str(tmp_path / "d.html"), encoding="utf-8").build().read())
    assert dropped == {"invalid_encoding": 1}


def test_real_pages(shared: Path, sorted_out: Sort) -> None:
    total = 0
    for archive in sorted((shared / "html_pages").glob("*.tar.gz")):
        kept, dropped = sorted_out(Files(path=str(archive), format="html").build().read())
        assert set(dropped) <= {"unknown_format"}
        assert not any(one.text.count("\ufffd") > len(one.text) / 100 for one in kept)
        total += len(kept)
        with tarfile.open(archive) as opened:
            assert len(kept) == sum(Path(name).suffix in (".html", ".htm") for name in opened.getnames())
    assert total == 211
