from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.sources import files_reader
from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError

pytest.importorskip("pypdfium2")
Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]


def pdf(*pages: str, title: str = "", chinese: bool = False, trailer: str = "") -> bytes:
    """A small PDF with a line of text a page; Chinese in a font that is named and not embedded, as is usual."""
    objects: list[bytes] = []

    def add(body: str | bytes) -> int:
        objects.append(body.encode("latin-1") if isinstance(body, str) else body)
        return len(objects)

    if chinese:
        descendant = add(
            "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo "
            "<< /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>"
        )
        font = add(
            "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H "
            f"/DescendantFonts [{descendant} 0 R] >>"
        )
    else:
        font = add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    parent = len(objects) + 2 * len(pages) + 1
    kids = []
    for text in pages:
        shown = f"<{text.encode('utf-16-be').hex()}>" if chinese else f"({text})"
        stream = f"BT /F1 12 Tf 72 700 Td {shown} Tj ET" if text else ""
        content = add(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        kids.append(
            add(
                f"<< /Type /Page /Parent {parent} 0 R /MediaBox [0 0 612 792] /Contents {content} 0 R "
                f"/Resources << /Font << /F1 {font} 0 R >> >> >>"
            )
        )
    add(f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>")
    root = add(f"<< /Type /Catalog /Pages {parent} 0 R >>")
    info = add(f"<< /Title <feff{title.encode('utf-16-be').hex()}> >>")
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root {root} 0 R /Info {info} 0 R {trailer}>>\n".encode()
    return out + f"startxref\n{start}\n%%EOF\n".encode()


def test_a_file_or_a_page_each(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf("First page.", "", "Third page.", title="题目"))
    reader = Files(path=str(path)).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert [one.text for one in kept] == ["First page.\n\nThird page."] and not dropped
    assert kept[0].fields == {"title": "题目", "pages": "3"} and kept[0].place == str(path)
    assert reader.bytes_done == path.stat().st_size
    kept, dropped = sorted_out(Files(path=str(path), documents="page").build().read())
    assert [(one.text, one.fields["page"]) for one in kept] == [("First page.", "1"), ("Third page.", "3")]
    assert dropped == {"no_text_layer": 1} and kept[1].place == f"{path}:3"


def test_chinese_without_an_embedded_font(tmp_path: Path, sorted_out: Sort) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("我们提出了一种新的方法", chinese=True))
    kept, _ = sorted_out(Files(path=str(tmp_path)).build().read())
    assert [one.text for one in kept] == ["我们提出了一种新的方法"]


def test_what_cannot_be_read_is_counted(tmp_path: Path, sorted_out: Sort) -> None:
    whole = pdf("A page.")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\nno more")
    (tmp_path / "b.pdf").write_bytes(b"")
    (tmp_path / "c.pdf").write_bytes(pdf(""))
    (tmp_path / "d.pdf").write_bytes(
        pdf(
            "x",
            trailer=f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{'00' * 32}> /U <{'00' * 32}> >> "
            "/ID [<00> <00>] ",
        )
    )
    (tmp_path / "e.pdf").write_bytes(whole)
    kept, dropped = sorted_out(Files(path=str(tmp_path)).build().read())
    assert [one.text for one in kept] == ["A page."]
    assert dropped == {"corrupt": 2, "no_text_layer": 1, "encrypted": 1}
    for keep in range(10, len(whole), 97):
        (tmp_path / "e.pdf").write_bytes(whole[:keep])
        kept, dropped = sorted_out(Files(path=str(tmp_path / "e.pdf")).build().read())
        assert len(kept) + sum(dropped.values()) == 1


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("x"))
    monkeypatch.setattr(files_reader, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"to read pdf files, install what they need: pip install 'acclimate\[pdf\]'"
    ):
        list(Files(path=str(tmp_path)).build().read())
