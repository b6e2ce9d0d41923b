from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from acclimate.corpus.storage import SplitWriter, read_texts
from acclimate.errors import UserError


def fill(folder: Path, count: int) -> SplitWriter:
    writer = SplitWriter(folder)
    for number in range(count):
        writer.add(
            "test" if number % 10 == 0 else "train", f"{number:032x}", "a.txt", f"第{number}篇 document"
        )
    writer.close()
    return writer


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    writer = fill(tmp_path, 20_000)
    texts = [text for batch in read_texts(tmp_path, "train") for text in batch]
    assert texts == [f"第{number}篇 document" for number in range(20_000) if number % 10]
    assert max(len(batch) for batch in read_texts(tmp_path, "train")) <= 512
    assert list(read_texts(tmp_path, "validation")) == []
    counts = writer.counts["train"]
    assert counts["characters"] == sum(map(len, texts))
    assert counts["bytes"] == sum(len(text.encode()) for text in texts)
    path = tmp_path / "train" / "part-00000.parquet"
    assert pq.read_schema(path).names == ["id", "source", "text"] and pq.ParquetFile(path).num_row_groups == 3


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fill(tmp_path / name, 9000)
    files = [(tmp_path / name / "train" / "part-00000.parquet").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is no corpus: it has no train/part-00000"):
        list(read_texts(tmp_path, "train"))
    with pytest.raises(ValueError, match="unknown split 'tset'; did you mean 'test'"):
        list(read_texts(tmp_path, "tset"))
