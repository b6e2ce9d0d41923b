from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.corpus.sources.file_list import find_files, known_format
from acclimate.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b/two.jsonl.gz",
        "a/one.txt",
        "a/deep/three.TXT",
        "ten.csv",
        "notes.pdf",
        ".hidden/x.txt",
        "a/.x.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("x")
    return tmp_path


def names(path: str | Path, format: str = "auto") -> list[str]:
    return [file.name for file in find_files(str(path), format)]


def test_a_folder_gives_its_known_files_in_order(folder: Path) -> None:
    assert names(folder) == ["a/deep/three.TXT", "a/one.txt", "b/two.jsonl.gz", "ten.csv"]
    assert names(folder, "csv") == ["ten.csv"]


def test_a_glob_means_what_it_matches(folder: Path) -> None:
    assert names(folder / "**/*.txt") == ["a/one.txt"]
    assert names(folder / "a/*") == ["one.txt"]
    assert names(folder / "[nt]*", "text") == ["notes.pdf", "ten.csv"]
    with pytest.raises(UserError, match=r"notes\.pdf: the extension \.pdf is not known; say `format:`"):
        find_files(str(folder / "n*"))


def test_a_name_with_pattern_characters_is_a_file_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x")
    assert names(tmp_path / "a[1].txt") == ["a[1].txt"]


def test_formats_by_extension() -> None:
    known = {
        "a.txt": "text",
        "a.JSONL": "jsonl",
        "a.csv.gz": "csv",
        "a.tab.zst": "tsv",
        "a.pq": "parquet",
        "a.gz": None,
    }
    assert {name: known_format(Path(name)) for name in known} == known


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a/ome.txt", r"no such file or folder; did you mean 'one\.txt'\? \(in .*/a\)"),
        ("aa/b/one.txt", "did you mean 'a'"),
        ("c/*.txt", "the pattern matches no file; "),
        ("a/*.csv", r"the pattern matches no file; .*/a holds deep, one\.txt"),
    ],
)
def test_what_is_missing_is_named_with_the_nearest(folder: Path, path: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_files(str(folder / path))


def test_a_folder_with_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file with a known extension .it is empty"):
        find_files(str(tmp_path))
    (tmp_path / "x.pdf").write_text("x")
    with pytest.raises(UserError, match=r"no file with a known extension .there are \.pdf"):
        find_files(str(tmp_path))


def test_what_runs_have_left_is_never_a_source(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine" / "20261121-000000-aaaaaaaa"
    run.mkdir(parents=True)
    (run / ".run.json").write_text("{}")
    (run / "events.jsonl").write_text("{}\n")
    store = tmp_path / "runs" / ".store" / "corpus"
    store.mkdir(parents=True)
    (store / "dropped.jsonl").write_text("{}\n")
    (tmp_path / "own.jsonl").write_text('{"text": "a"}\n')
    for path in (str(tmp_path), str(tmp_path / "**" / "*.jsonl"), str(tmp_path / "**")):
        assert [file.name for file in find_files(path)] == ["own.jsonl"]
    # Asked for by its own name it is read: somebody wants just that.
    assert [file.name for file in find_files(str(run))] == ["events.jsonl"]
