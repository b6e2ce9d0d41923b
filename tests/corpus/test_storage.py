from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from acclimate.corpus import storage
from acclimate.corpus.sieve import dropped_batch
from acclimate.corpus.storage import DroppedWriter, GroupedWriter, SplitWriter, read_texts
from acclimate.errors import UserError


def fill(folder: Path, count: int, step: int = 1000) -> SplitWriter:
    writer = SplitWriter(folder)
    for start in range(0, count, step):
        numbers = range(start, min(start + step, count))
        splits = np.array([2 if number % 10 == 0 else 0 for number in numbers], np.int8)
        ids = pa.array([f"{number:032x}" for number in numbers], pa.large_string())
        texts = pa.array([f"第{number}篇 document" for number in numbers], pa.large_string())
        writer.add(splits, ids, pa.array(["a.txt"] * len(numbers), pa.large_string()), texts)
    writer.close()
    return writer


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    writer = fill(tmp_path, 20_000)
    texts = [text for batch in read_texts(tmp_path, "train") for text in batch]
    assert texts == [f"第{number}篇 document" for number in range(20_000) if number % 10]
    assert max(len(batch) for batch in read_texts(tmp_path, "train")) <= 512
    assert list(read_texts(tmp_path, "validation")) == []
    counts = writer.counts["train"]
    assert counts["documents"] == len(texts) and counts["characters"] == sum(map(len, texts))
    assert counts["bytes"] == sum(len(text.encode()) for text in texts)
    path = tmp_path / "documents" / "train" / "part-00000.parquet"
    assert pq.read_schema(path).names == ["id", "source", "text"] and pq.ParquetFile(path).num_row_groups == 3


def test_any_program_reads_the_whole_folder(tmp_path: Path) -> None:
    fill(tmp_path, 500)
    for table in (pq.read_table(tmp_path / "documents"), ds.dataset(tmp_path / "documents").to_table()):
        assert table.num_rows == 500 and table.column_names == ["id", "source", "text"]
        assert sorted(table["id"].to_pylist()) == [f"{number:032x}" for number in range(500)]


def test_the_same_documents_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_GROUP_CHARACTERS", 10_000)
    for step in (1, 7, 2000):
        fill(tmp_path / str(step), 3000, step)
    files = [
        (tmp_path / name / "documents/train/part-00000.parquet").read_bytes() for name in ("1", "7", "2000")
    ]
    assert files[0] == files[1] == files[2]
    assert pq.ParquetFile(tmp_path / "1/documents/train/part-00000.parquet").num_row_groups > 3


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_GROUP_CHARACTERS", 100)
    monkeypatch.setattr(storage, "_GROUP_ROWS", 30)
    writer = GroupedWriter(tmp_path / "x.parquet", pa.schema([("text", pa.string())]), ("text",))
    sizes = [1] * 40 + [99, 1, 500, 3]
    batch = pa.record_batch([pa.array(["x" * size for size in sizes])], names=["text"])
    writer.add(batch, np.array(sizes))
    writer.close()
    with pq.ParquetFile(tmp_path / "x.parquet") as file:
        rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        assert rows == [30, 11, 2, 1] and file.read()["text"].to_pylist() == batch["text"].to_pylist()


def test_everything_dropped_is_written(tmp_path: Path) -> None:
    writer = DroppedWriter(tmp_path)
    rows = [
        (0, b"a" * 16, b"b" * 16, "a.txt", "/x/a.txt:1", "too_short", "2 characters"),
        (1, None, None, "a.txt", "/x/a.txt:2", "malformed_json", "没有"),
    ]
    for _ in range(2):
        writer.add(dropped_batch(rows))
    writer.add(dropped_batch([]))
    writer.close()
    found = pq.read_table(tmp_path / "dropped.parquet").to_pylist()
    assert len(found) == 4 and found[:2] == found[2:]
    assert found[0] == {
        "id": "61" * 16,
        "read_id": "62" * 16,
        "source": "a.txt",
        "place": "/x/a.txt:1",
        "reason": "too_short",
        "detail": "2 characters",
    }
    assert found[1]["id"] is None and found[1]["detail"] == "没有"


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is no corpus: it has no documents/train/part-00000"):
        list(read_texts(tmp_path, "train"))
    with pytest.raises(ValueError, match="unknown split 'tset'; did you mean 'test'"):
        list(read_texts(tmp_path, "tset"))
