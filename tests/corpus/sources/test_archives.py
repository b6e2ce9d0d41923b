from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


MEMBERS = {
    "a.txt": "甲\n乙\n".encode(),
    "deep/b.jsonl.gz": gzip.compress('{"text": "丙"}\n{"text": "four"}\n'.encode()),
    "deep/c.csv": b"text,label\nfive,1\n",
    "d.parquet": parquet(text=["six", "七"], label=[1, 2]),
    ".hidden.txt": b"hidden",
    "__MACOSX/a.txt": b"junk",
    "image.png": b"\x89PNG",
    "inner.zip": b"PK\3\4",
}


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["m.zip", *(f"m.tar{suffix}" for suffix in PACK), "m.tgz"])
def test_members_are_files(tmp_path: Path, name: str, sorted_out: Sort) -> None:
    suffix = ".gz" if name == "m.tgz" else Path(name).suffix.replace(".tar", "")
    path = tmp_path / name
    path.write_bytes(zipped(MEMBERS) if name == "m.zip" else PACK[suffix](tar(MEMBERS)))
    reader = Files(path=str(path)).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert [(one.source, one.text) for one in kept] == [
        (f"{name}/a.txt", "甲\n乙"),
        (f"{name}/deep/b.jsonl.gz", "丙"),
        (f"{name}/deep/b.jsonl.gz", "four"),
        (f"{name}/deep/c.csv", "five"),
        (f"{name}/d.parquet", "six"),
        (f"{name}/d.parquet", "七"),
    ]
    assert kept[3].place == f"{path}/deep/c.csv:2" and kept[3].fields == {"label": "1"}
    assert dropped == {"unknown_format": 1, "nested_archive": 1}
    assert reader.bytes_done == reader.bytes_total() == path.stat().st_size
    # The same members as a folder.
    folder = tmp_path / "folder"
    for member, data in MEMBERS.items():
        place = folder / member
        place.parent.mkdir(parents=True, exist_ok=True)
        if not member.endswith(".zip"):
            place.write_bytes(data)
    again, _ = sorted_out(Files(path=str(folder)).build().read())
    assert sorted(one.text for one in again) == sorted(one.text for one in kept)


def test_members_are_chosen_by_a_pattern_or_a_format(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "m.tar"
    path.write_bytes(tar(MEMBERS))
    kept, dropped = sorted_out(Files(path=str(path), members="deep/*").build().read())
    assert [one.text for one in kept] == ["丙", "four", "five"] and not dropped
    kept, dropped = sorted_out(Files(path=str(path), format="csv").build().read())
    assert [one.text for one in kept] == ["five"] and dropped == {"unknown_format": 4, "nested_archive": 1}
    kept, _ = sorted_out(
        Files(path=str(path), members="*.png", format="text", encoding="latin-1").build().read()
    )
    assert [one.text for one in kept] == ["\x89PNG"]
    with pytest.raises(UserError, match=r"m\.tar/image\.png: the extension \.png is not known"):
        list(Files(path=str(path), members="*.png").build().read())
    with pytest.raises(UserError, match=r"deep/c\.csv: documents: a document of csv is a record, not a line"):
        list(Files(path=str(path), members="*.csv", documents="line").build().read())


def test_a_member_that_is_given_up_does_not_disturb_the_next(tmp_path: Path, sorted_out: Sort) -> None:
    members = {"a.txt": b"x\n" * 4_000_000, "b.txt": b"\xff\xfe\x00\xd8", "c.txt": b"last"}
    for name, data in (("m.tar.gz", gzip.compress(tar(members), 1)), ("m.zip", zipped(members))):
        path = tmp_path / name
        path.write_bytes(data)
        kept, dropped = sorted_out(Files(path=str(path), max_document=1000).build().read())
        assert [one.text for one in kept] == ["last"]
        assert dropped == {"too_long": 1, "invalid_encoding": 1}


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_cut_off_tar_gives_what_was_there(tmp_path: Path, keep: float, sorted_out: Sort) -> None:
    members = {f"{number}.txt": f"text {number}".encode() * 500 for number in range(40)}
    whole = tar(members)
    for name, data in (
        ("m.tar", whole[: int(len(whole) * keep)]),
        ("m.tar.gz", gzip.compress(whole, 0)[: int(len(whole) * keep)]),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        kept, dropped = sorted_out(Files(path=str(path)).build().read())
        assert (
            len(kept) >= int(40 * keep) - 2 and set(dropped) == {"truncated"} and sum(dropped.values()) <= 2
        )
        assert [one.text for one in kept[:-1]] == [f"text {number}" * 500 for number in range(len(kept) - 1)]


def test_damaged_archives_are_counted(tmp_path: Path, sorted_out: Sort) -> None:
    data = zipped({"a.txt": b"text " * 1000, "b.txt": b"whole"})
    locked = bytearray(data)
    locked[data.index(b"PK\1\2") + 8] |= 1
    wrong = bytearray(data)
    wrong[40] ^= 0xFF
    for name, content, expected, texts in (
        ("cut.zip", data[:-40], {"truncated": 1}, []),
        ("not.zip", b"plain text", {"corrupt": 1}, []),
        ("not.tar", b"plain text" * 100, {"corrupt": 1}, []),
        ("empty.zip", zipped({}), {"empty": 1}, []),
        ("empty.tar", tar({}), {"empty": 1}, []),
        ("locked.zip", bytes(locked), {"encrypted": 1}, ["whole"]),
        ("wrong.zip", bytes(wrong), {"corrupt": 1}, ["whole"]),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        kept, dropped = sorted_out(Files(path=str(path)).build().read())
        assert ([one.text for one in kept if "whole" in one.text], dict(dropped)) == (texts, expected), name


def test_links_in_archives_are_not_followed(tmp_path: Path, sorted_out: Sort) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind in (
            ("link.txt", tarfile.SYMTYPE),
            ("hard.txt", tarfile.LNKTYPE),
            ("p.txt", tarfile.FIFOTYPE),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        entry = tarfile.TarInfo("../../up.txt")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"ok"))
    path = tmp_path / "m.tar"
    path.write_bytes(buffer.getvalue())
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [(one.source, one.text) for one in kept] == [("m.tar/../../up.txt", "ok")]
    assert dropped == {"special_file": 3} and not (tmp_path.parent.parent / "up.txt").exists()


def test_real_archives(shared: Path, sorted_out: Sort) -> None:
    kept, dropped = sorted_out(Files(path=str(shared / "chinese_law/laws.tar.gz")).build().read())
    assert len(kept) == 475 and not dropped
    assert 3_500_000 < sum(len(one.text) for one in kept) < 3_700_000
    kept, _ = sorted_out(
        Files(path=str(shared / "html_pages/readability_pages.tar.gz"), members="*/source.html")
        .build()
        .read()
    )
    assert len(kept) == 61
    kept, _ = sorted_out(
        Files(path=str(shared / "medquad/medquad_subset.tar.gz"), members="*.xml", format="text")
        .build()
        .read()
    )
    assert len(kept) == 493
