"""Bad input costs itself and nothing else, and is counted: read = kept + dropped."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources import byte_blocks
from acclimate.corpus.sources.files import Files

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
LINES = [f"第 {number} 行 line" for number in range(20_000)]
TEXT = "\n".join(LINES).encode()
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_truncated_streams_give_the_lines_before_the_break(
    tmp_path: Path, suffix: str, keep: float, sorted_out: Sort
) -> None:
    packed = PACK[suffix](TEXT)
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(packed[: int(len(packed) * keep)])
    (tmp_path / "b.txt").write_text("whole")
    kept, dropped = sorted_out(Files(path=str(tmp_path), documents="line").build().read())
    texts = [one.text for one in kept]
    assert dropped == {"truncated": 1} and texts[-1] == "whole"
    # The others give up a block at a time, of up to 900 kB.
    assert texts[:-1] == LINES[: len(texts) - 1]
    assert suffix != ".gz" or len(texts) > 0.8 * keep * len(LINES)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])  # Arrow writes zstd without a checksum
def test_damaged_streams_are_counted_once(tmp_path: Path, suffix: str, sorted_out: Sort) -> None:
    packed = bytearray(PACK[suffix](TEXT))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1] ^= 0xFF
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(packed)
    kept, dropped = sorted_out(Files(path=str(path), documents="line").build().read())
    assert sum(dropped.values()) - dropped["invalid_encoding"] == 1
    assert set(dropped) <= {"corrupt", "truncated", "invalid_encoding", "nul_bytes"} and len(kept) < len(
        LINES
    )


@pytest.mark.parametrize("suffix", PACK)
def test_bombs_are_defused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1 << 24
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACK[suffix](b"\0" * size))
    monkeypatch.setattr(byte_blocks, "FREE_EXPANSION", 1 << 20)
    went = 0
    with pytest.raises(byte_blocks.BrokenStream) as caught:
        for block in byte_blocks.blocks(path, lambda stored: None):
            went += len(block)
    assert caught.value.reason == "bomb" and went < size // 2


def test_bombs_of_all_kinds_in_a_run(tmp_path: Path, sorted_out: Sort) -> None:
    nothing = b"\0" * (96 << 20)
    (tmp_path / "a.txt.gz").write_bytes(
        gzip.compress(gzip.compress(nothing))
    )  # is packed twice: text is what is in it
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(nothing))
    (tmp_path / "c.txt").write_text("whole")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d.txt", nothing)
        archive.writestr("e.txt", "in the zip")
    (tmp_path / "d.zip").write_bytes(buffer.getvalue())
    kept, dropped = sorted_out(Files(path=str(tmp_path), documents="line").build().read())
    assert "whole" in [one.text for one in kept] and dropped["bomb"] == 2


def test_an_xz_file_with_a_huge_window(tmp_path: Path, sorted_out: Sort) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "preset": 0}]
    path = tmp_path / "a.txt.xz"
    path.write_bytes(lzma.compress(b"text", filters=filters))
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert not kept and dropped == {"bomb": 1}


def test_a_line_of_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.write("第一\n".encode())
        file.seek(1 << 30, os.SEEK_CUR)  # a hole: takes no space on the disk
        file.write("\n最后\n".encode())
    reader = Files(path=str(path), documents="line", max_document=1_000_000).build()
    tracemalloc.start()
    items = list(reader.read())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [getattr(one, "text", None) or one.reason for one in items] == ["第一", "too_long", "最后"]
    assert peak < 20_000_000 and reader.bytes_done == path.stat().st_size


def test_a_field_of_a_hundred_megabytes(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(b'text,label\n"ok",1\n"')
        for _ in range(100):
            file.write(b"x" * 999_999 + b"\n")
        file.write(b'",2\n"last",3\n')
    tracemalloc.start()
    kept, dropped = sorted_out(Files(path=str(path), max_document=5_000_000).build().read())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept[0].text == "ok" and kept[-1].text == "last" and dropped["too_long"] >= 1
    assert peak < 100_000_000, peak
    path.write_bytes(b'text,label\n"ok",1\n"' + b"x" * 100_000_000 + b'",2\n"last",3\n')
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [one.text for one in kept] == ["ok", "last"] and dropped == {"too_long": 1}


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"text":['])
def test_json_of_depth_100_000(tmp_path: Path, opening: str, sorted_out: Sort) -> None:
    deep = opening * 100_000 + "1" + ("]" if "[" in opening else "") * 100_000
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "one"}}\n{deep}\n{{"text": "two"}}\n')
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [one.text for one in kept] == ["one", "two"] and dropped == {"malformed_json": 1}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_that_vanish(tmp_path: Path, suffix: str, sorted_out: Sort) -> None:
    for name in "abc":
        data = name.encode()
        (tmp_path / f"{name}.txt{suffix}").write_bytes(gzip.compress(data) if suffix else data)
    reader = Files(path=str(tmp_path)).build()
    items = []
    for item in reader.read():
        items.append(item)
        (tmp_path / f"b.txt{suffix}").unlink(missing_ok=True)
    kept, dropped = sorted_out(items)
    assert [one.text for one in kept] == ["a", "c"] and dropped == {"vanished": 1}


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.parquet"])
def test_a_file_that_turned_into_a_pipe_does_not_stop_the_run(
    tmp_path: Path, name: str, sorted_out: Sort
) -> None:
    (tmp_path / "0.txt").write_text("first")
    (tmp_path / name).write_bytes(b"x")
    reader = Files(path=str(tmp_path)).build()
    items = []
    for item in reader.read():
        items.append(item)
        if len(items) == 1:
            (tmp_path / name).unlink()
            os.mkfifo(tmp_path / name)
    kept, dropped = sorted_out(items)
    assert [one.text for one in kept] == ["first"] and dropped == {"special_file": 1}


def test_a_file_that_grows_is_read_as_far_as_it_went(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {number}\n" for number in range(500_000)))
    items = []
    for number, item in enumerate(Files(path=str(path), documents="line").build().read()):
        items.append(item)
        if number % 1000 == 0 and number < 400_000:  # as fast as it is read
            with path.open("a") as file:
                file.write("more\n" * 5000)
    kept, dropped = sorted_out(items)
    assert [one.text for one in kept] == [f"line {number}" for number in range(500_000)]
    assert dropped == {"changed": 1}


def test_a_file_that_shrinks_is_told(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789\n" * 1_000_000)
    items = []
    for item in Files(path=str(path), documents="line").build().read():
        if not items:
            os.truncate(path, 2_200_000)
        items.append(item)
    kept, dropped = sorted_out(items)
    assert dropped["changed"] == 1 and 0 < len(kept) <= 1_000_000


def test_truncated_and_damaged_parquet(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {n} " * 20 for n in range(5000)]}), path, row_group_size=1000)
    data = path.read_bytes()
    (tmp_path / "b.txt").write_text("whole")
    (tmp_path / "b.parquet").write_bytes(data[: len(data) // 2])
    damaged = bytearray(data)
    damaged[len(data) // 2 : len(data) // 2 + 200] = b"\xff" * 200
    (tmp_path / "c.parquet").write_bytes(damaged)
    kept, dropped = sorted_out(Files(path=str(tmp_path)).build().read())
    assert len(kept) >= 5001 and dropped["corrupt"] + dropped["crashed"] + dropped["invalid_encoding"] >= 2
    assert any(one.text == "whole" for one in kept)


def test_a_text_column_that_is_not_utf_8(tmp_path: Path, sorted_out: Sort) -> None:
    raw = pa.array([b"good", b"\xff\xfe", "好".encode()])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    with (
        pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, pa.schema([("text", pa.string())])) as out,
    ):
        out.write_batch(pa.record_batch({"text": text}))
    kept, dropped = sorted_out(Files(path=str(tmp_path)).build().read())
    assert [one.text for one in kept] == ["good", "好"] * 2 and dropped == {"invalid_encoding": 2}


def test_the_naughty_strings(shared: Path, tmp_path: Path, sorted_out: Sort) -> None:
    strings = json.loads((shared / "naughty_strings/blns.json").read_text("utf-8"))
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": one}) + "\n" for one in strings))
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    blank = [one for one in strings if not one or one.isspace()]
    assert [one.text for one in kept] == [one for one in strings if one not in blank]
    assert dropped == {"no_text": len(blank)} and len(kept) + len(blank) == 515
    lines = (shared / "naughty_strings/blns.txt").read_bytes().removesuffix(b"\n").split(b"\n")
    kept, dropped = sorted_out(
        Files(path=str(shared / "naughty_strings/blns.txt"), documents="line").build().read()
    )
    assert len(kept) + sum(dropped.values()) == len(lines) and set(dropped) == {"empty"}
    parquet = tmp_path / "b.parquet"
    pq.write_table(pa.table({"text": strings}), parquet)
    again, _ = sorted_out(Files(path=str(parquet)).build().read())
    assert len(again) == 515 - len(blank)


def test_the_torture_of_utf_8(shared: Path, sorted_out: Sort) -> None:
    path = shared / "utf8_tests/utf8tests.bin"
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    items = list(Files(path=str(path), format="text", documents="line").build().read())
    kept, dropped = sorted_out(items)
    assert len(items) == len(lines) == len(kept) + sum(dropped.values())
    for item, line in zip(items, lines, strict=True):
        try:
            text = line.decode()
            good = "\0" not in text and not text.isspace()
        except UnicodeDecodeError:
            good = False
        assert isinstance(item, Dropped) != good, line


def test_records_of_one_file_are_told_apart_though_their_ids_are_equal(
    tmp_path: Path, sorted_out: Sort
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "1", "text": "one"}\n{"id": "1", "text": "other"}\n')
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert len({one.id for one in kept}) == 2 and not dropped
    assert [one.fields["id"] for one in kept] == ["1", "1"]


def test_what_stands_beside_the_files_is_told(tmp_path: Path, sorted_out: Sort) -> None:
    (tmp_path / "a.txt").write_text("x")
    os.mkfifo(tmp_path / "b.txt")
    reader = Files(path=str(tmp_path)).build()
    assert reader.check() == []
    for items in (reader.read(), reader.records()):
        kept, dropped = sorted_out(items)
        assert len(kept) == 1 and dropped == {"special_file": 1}
    assert isinstance(next(iter(reader.records())), Record)
