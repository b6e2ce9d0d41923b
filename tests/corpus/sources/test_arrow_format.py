from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from acclimate.corpus.sources.files import Files

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
TABLE = pa.table({"text": [f"第{n}篇" for n in range(5000)], "label": list(range(5000))})


def write(path: Path, kind: str, compression: str | None = None) -> Path:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as sink, make(sink, TABLE.schema, options=options) as out:
        out.write_table(TABLE, max_chunksize=700)
    return path


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_both_layouts(tmp_path: Path, kind: str, compression: str | None, sorted_out: Sort) -> None:
    path = write(tmp_path / "a.arrow", kind, compression)
    reader = Files(path=str(path)).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert [one.text for one in kept] == TABLE["text"].to_pylist() and not dropped
    assert kept[-1].fields == {"label": "4999"} and kept[-1].place == f"{path}:5000"
    assert reader.bytes_done == path.stat().st_size


def test_feather(tmp_path: Path, sorted_out: Sort) -> None:
    from pyarrow import feather

    feather.write_feather(TABLE, tmp_path / "a.feather")
    kept, _ = sorted_out(Files(path=str(tmp_path)).build().read())
    assert len(kept) == 5000


def test_damaged_files(tmp_path: Path, sorted_out: Sort) -> None:
    path = tmp_path / "a.arrow"
    for kind in ("file", "stream"):
        data = write(path, kind).read_bytes()
        for damaged in (data[: len(data) // 2], b"ARROW1 is this", b"x" * 100, data[:-1]):
            path.write_bytes(damaged)
            kept, dropped = sorted_out(Files(path=str(path)).build().read())
            assert set(dropped) <= {"corrupt", "truncated", "crashed"} and (dropped or len(kept) == 5000)
            assert [one.text for one in kept] == TABLE["text"].to_pylist()[: len(kept)]
    path.write_bytes(write(path, "stream").read_bytes()[:-20_000])
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert len(kept) >= 2100 and sum(dropped.values()) == 1  # the batches before the break


def test_a_data_set_as_datasets_saves_it(tmp_path: Path, sorted_out: Sort) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        write(tmp_path / split / "data-00000-of-00001.arrow", "stream")
        (tmp_path / split / "dataset_info.json").write_text('{"features": {}}')
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": split}
        (tmp_path / split / "state.json").write_text(json.dumps(state))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for path, number in ((tmp_path, 10_000), (tmp_path / "train", 5000)):
        kept, dropped = sorted_out(Files(path=str(path)).build().read())
        assert len(kept) == number and not dropped
