from __future__ import annotations

import datetime
import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acclimate.corpus.sources.files import Files

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, row_group_size=700)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_rows_become_records(tmp_path: Path, suffix: str, sorted_out: Sort) -> None:
    data = parquet(
        text=[f"第{n}篇 text" for n in range(3000)],
        label=list(range(3000)),
        day=[datetime.date(2020, 1, 1)] * 3000,
        tags=[["a", "中"]] * 3000,
        raw=["é".encode()] * 3000,
        flag=[True, None] * 1500,
    )
    packed = {"": data, ".gz": gzip.compress(data), ".zst": pa.compress(data, "zstd", asbytes=True)}[suffix]
    path = tmp_path / f"a.parquet{suffix}"
    path.write_bytes(packed)
    reader = Files(path=str(path)).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert len(kept) == 3000 and not dropped and reader.bytes_done == len(packed)
    assert (kept[2999].text, kept[2999].place) == ("第2999篇 text", f"{path}:3000")
    assert kept[1].fields == {
        "label": "1",
        "day": "2020-01-01",
        "tags": '["a", "中"]',
        "raw": "é",
        "flag": "",
    }
    assert kept[0].fields["flag"] == "true"


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(text=["ok", None, "", "nul \0", "x" * 50], raw=[b"", b"", b"", b"", b""]))
    kept, dropped = sorted_out(Files(path=str(path), max_document=20).build().read())
    assert [one.text for one in kept] == ["ok"] and dropped == {"no_text": 2, "nul_bytes": 1, "too_long": 1}
    path.write_bytes(parquet(text=["ok", "x"], raw=[b"", b"\xff"]))
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [one.text for one in kept] == ["ok"] and dropped == {"invalid_encoding": 1}


def test_damaged_files(tmp_path: Path, sorted_out: Sort) -> None:
    data = parquet(text=[f"text number {n}" for n in range(3000)])
    path = tmp_path / "a.parquet"
    for damaged in (data[:-100], b"PAR1 this is none", b"x"):
        path.write_bytes(damaged)
        kept, dropped = sorted_out(Files(path=str(path)).build().read())
        assert kept == [] and dropped == {"corrupt": 1}
        assert "corrupt: not valid Parquet" in Files(path=str(path)).build().check()[0]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(txt=["x"], label=[1]))
    assert Files(path=str(path)).build().check() == [
        f"{path}: there is no column 'text' (text); did you mean 'txt'?"
    ]
