from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from acclimate.corpus.document import Dropped
from acclimate.corpus.sources.file_list import find, find_files
from acclimate.corpus.sources.formats import known_format
from acclimate.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b/two.jsonl.gz",
        "a/one.txt",
        "a/deep/three.TXT",
        "ten.csv",
        "notes.docx",
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
    assert names(folder / "[nt]*", "text") == ["notes.docx", "ten.csv"]
    with pytest.raises(UserError, match=r"notes\.docx: the extension \.docx is not known; say `format:`"):
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
    known |= {
        "a.tgz": "tar",
        "a.tar.zst": "tar",
        "A.ZIP": "zip",
        "a.html.xz": "html",
        "a.warc.wet.gz": "warc",
    }
    assert {name: known_format(name) for name in known} == known


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
    (tmp_path / "x.docx").write_text("x")
    with pytest.raises(UserError, match=r"no file with a known extension .there are \.docx"):
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


def left_out(path: Path) -> dict[str, str]:
    dropped = find(str(path)).left_out
    assert all(isinstance(one, Dropped) and one.detail for one in dropped)
    return {Path(one.place).name: one.reason for one in dropped}


@pytest.mark.parametrize("pattern", ["", "**/*", "**/*.txt"])
def test_links_lead_nowhere_outside_and_never_in_circles(tmp_path: Path, pattern: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "deep").mkdir(parents=True)
    outside.mkdir()
    for path in (root / "a.txt", root / "deep" / "b.txt", outside / "secret.txt"):
        path.write_text("x")
    (root / "loop").symlink_to(root)
    (root / "deep" / "up").symlink_to("..")
    (root / "away").symlink_to(outside)
    (root / "secret.txt").symlink_to(outside / "secret.txt")
    (root / "inner.txt").symlink_to("deep/b.txt")
    (root / "circle.txt").symlink_to("circle.txt")
    (root / "gone.txt").symlink_to("nothing")
    path = root / pattern if pattern else root
    assert names(path) == ["a.txt", "deep/b.txt", "inner.txt"]
    assert left_out(path) == {
        "away": "link_out",
        "secret.txt": "link_out",
        "circle.txt": "broken_link",
        "gone.txt": "broken_link",
    }
    # What is named itself is meant.
    assert names(root / "secret.txt") == ["secret.txt"]
    assert names(root / "away") == ["secret.txt"]
    assert names(root / "s*.txt") == ["secret.txt"]


def test_pipes_and_devices_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    os.mkfifo(tmp_path / "b.txt")
    (tmp_path / "null.txt").symlink_to("/dev/null")
    for path in (tmp_path, tmp_path / "**/*.txt"):
        assert names(path) == ["a.txt"]
        assert left_out(path) == {"b.txt": "special_file", "null.txt": "link_out"}
    assert left_out(tmp_path / "*.txt") == {"b.txt": "special_file", "null.txt": "special_file"}
    with pytest.raises(UserError, match="is a pipe or device, not a file"):
        find(str(tmp_path / "b.txt"))


def test_lists_of_paths(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    both = [str(folder / "a"), str(folder / "ten.csv")]
    assert [file.name for file in find_files(both)] == ["a/deep/three.TXT", "a/one.txt", "ten.csv"]
    assert [file.name for file in find_files([both[1], both[0], both[1]])] == [
        "ten.csv",
        "a/deep/three.TXT",
        "a/one.txt",
    ]
    written = folder / "paths"
    written.write_text("# which\n\nten.csv\n  a/*.txt  \n", "utf-8")
    assert names(f"@{written}") == ["ten.csv", "a/one.txt"]
    assert names(f"@{written}") == [file.name for file in find_files([f"@{written}"])]
    written.write_text("no.txt\n")
    with pytest.raises(UserError, match=r"no\.txt: there is no such file"):
        find_files(f"@{written}")
    written.write_text("# nothing\n")
    with pytest.raises(UserError, match="names no file"):
        find_files(f"@{written}")
    with pytest.raises(UserError, match="no such list of files; did you mean 'paths'"):
        find_files(f"@{folder / 'path'}")


def test_a_pattern_of_any_depth_is_that_of_glob(folder: Path) -> None:
    (folder / "a" / "deep" / "deeper").mkdir()
    (folder / "a" / "deep" / "deeper" / "four.txt").write_text("x")
    for pattern in ("**/*.txt", "a/**/*.txt", "**/deep/*", "a/**", "**/[ot]*", "*/**/four.txt"):
        matches = glob.glob(str(folder / pattern), recursive=True)  # noqa: PTH207
        expected = sorted(each for each in matches if Path(each).is_file())
        assert sorted(str(file.path) for file in find_files(str(folder / pattern), "text")) == expected, (
            pattern
        )


def test_of_a_saved_data_set_only_its_data_are_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for name in ("data-00000-of-00001.arrow", "cache-1f.arrow", "dataset_info.json"):
            (tmp_path / split / name).write_text("{}")
        (tmp_path / split / "state.json").write_text(
            '{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}'
        )
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert names(tmp_path) == ["test/data-00000-of-00001.arrow", "train/data-00000-of-00001.arrow"]
    assert names(tmp_path / "train") == ["data-00000-of-00001.arrow"]
