from __future__ import annotations

import gzip
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acclimate.corpus.sources import remote
from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]


@pytest.fixture
def store() -> Iterator[Any]:
    """A store in memory with a file of each kind."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["six"]}), table)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("in.txt", "seven")
    for name, data in {
        "a.txt": "一".encode(),
        "deep/b.jsonl.gz": gzip.compress(b'{"text": "two"}\n' * 50_000),
        "deep/d.parquet": table.getvalue(),
        "e.zip": archive.getvalue(),
        "f.bin": b"x",
        ".hidden.txt": b"x",
    }.items():
        system.pipe(f"/bucket/{name}", data)
    yield system
    system.store.clear()


def test_all_that_local_files_can(store: Any, sorted_out: Sort) -> None:
    reader = Files(path="memory://bucket").build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert Counter(one.text for one in kept) == {"一": 1, "two": 50_000, "six": 1, "seven": 1} and not dropped
    assert list(dict.fromkeys(one.source for one in kept)) == [
        "a.txt",
        "deep/b.jsonl.gz",
        "deep/d.parquet",
        "e.zip/in.txt",
    ]
    assert kept[0].place == "memory:///bucket/a.txt:1"
    assert reader.bytes_done == reader.bytes_total()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("memory://bucket/a.txt", ["a.txt"]),
        ("memory://bucket/**/*.parquet", ["deep/d.parquet"]),
        ("memory://bucket/*.txt", ["a.txt"]),
        (["memory://bucket/a.txt", "memory://bucket/deep"], ["a.txt", "b.jsonl.gz", "d.parquet"]),
    ],
)
def test_which_files_a_url_means(store: Any, path: Any, names: list[str]) -> None:
    assert [file.name for file in Files(path=path).build().files() if not file.name.startswith(".")] == names


def test_the_same_files_here_and_there(store: Any, tmp_path: Path, sorted_out: Sort) -> None:
    for name in ("a.txt", "deep/b.jsonl.gz"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(store.cat(f"/bucket/{name}"))
    here, _ = sorted_out(Files(path=str(tmp_path)).build().read())
    there, _ = sorted_out(Files(path=tmp_path.as_uri()).build().read())
    assert [(one.source, one.text) for one in here] == [(one.source, one.text) for one in there]


def test_identity_is_by_content(store: Any) -> None:
    reader = Files(path="memory://bucket/a.txt").build()
    before = reader.fingerprint(lambda path: "never asked")
    assert reader.fingerprint(lambda path: "never asked") == before
    store.pipe("/bucket/a.txt", "二".encode())
    assert Files(path="memory://bucket/a.txt").build().fingerprint(lambda path: "") != before
    tagged = remote.RemoteFile.of(store, "/bucket/a.txt", {"size": 3, "ETag": '"abc"'})
    assert tagged.digest() == '3:ETag:"abc"'


def test_a_file_that_vanishes(store: Any, sorted_out: Sort) -> None:
    items = []
    for item in Files(path="memory://bucket/").build().read():
        items.append(item)
        if store.exists("/bucket/e.zip"):
            store.rm("/bucket/e.zip")
            store.rm("/bucket/deep/b.jsonl.gz")
    kept, dropped = sorted_out(items)
    assert [one.text for one in kept] == ["一", "six"] and dropped == {"vanished": 2}


def test_what_is_not_there_is_told(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, message in (
        ("memory://bucket/no.txt", "there is no such file or folder"),
        ("memory://bucket/f.bin", r"the extension \.bin is not known"),
        ("memroy://x", "knows no protocol 'memroy'; did you mean 'memory'"),
    ):
        with pytest.raises(UserError, match=message):
            Files(path=path).build().files()
    if "s3fs" not in __import__("sys").modules:
        with pytest.raises(
            UserError, match=r"to read s3:// install what it needs: pip install 'acclimate\[remote\]'"
        ):
            Files(path="s3://bucket/a.txt").build().files()
