from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acclimate.corpus.sources.dataset import DatasetSource, choose
from acclimate.errors import UserError

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]
CARD = """---
configs:
- config_name: english
  data_files:
  - split: train
    path: en/part-*
  - split: test
    path: [en/held.parquet]
- config_name: 中文
  default: true
  data_files: zh/*.parquet
---
# A data set
"""
FILES = ["en/part-0.parquet", "en/part-1.parquet", "en/held.parquet", "zh/a.parquet"]


@pytest.mark.parametrize(
    ("names", "card", "subset", "split", "expected"),
    [
        (FILES, CARD, None, "train", ["zh/a.parquet"]),
        (FILES, CARD, "english", "train", FILES[:2]),
        (FILES, CARD, "english", "test", FILES[2:3]),
        (["train.jsonl", "dev.jsonl"], "", None, "validation", ["dev.jsonl"]),
        (
            ["data/train-00000-of-00002.parquet", "data/test-0.parquet"],
            "# no front",
            None,
            "train",
            ["data/train-00000-of-00002.parquet"],
        ),
        (["a/train/0000.parquet", "b/train/0000.parquet"], "", "b", "train", ["b/train/0000.parquet"]),
        (["one.csv", "two.csv"], "", None, "train", ["one.csv", "two.csv"]),
        (["trainer.csv", "train.csv"], "", None, "train", ["train.csv"]),
        (["x/odd.csv", "x/train.csv"], "", None, "odd", ["x/odd.csv"]),
        (["train.csv"], "---\nconfigs: [3, {a: b}]\n---\n", None, "train", ["train.csv"]),
    ],
)
def test_which_files_make_a_split(
    names: list[str], card: str, subset: str | None, split: str, expected: list[str]
) -> None:
    assert choose(names, card, subset, split) == expected


@pytest.mark.parametrize(
    ("names", "card", "subset", "split", "message"),
    [
        (FILES, CARD, "englisch", "train", "no subset 'englisch'; did you mean 'english'"),
        (FILES, CARD, None, "test", "no split 'test'"),
        (
            FILES,
            CARD.replace("default: true", "x: y"),
            None,
            "train",
            "subsets english, 中文; choose one with `subset:`",
        ),
        (["train.csv"], "", None, "test", "no split 'test'"),
        (["a/train.csv"], "", "b", "train", "no folder 'b'"),
        (["train.csv"], CARD, "english", "train", "none of them is there"),
    ],
)
def test_what_is_missing_is_named(
    names: list[str], card: str, subset: str | None, split: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        choose(names, card, subset, split)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"text": [f"{name} 文 {n}" for n in range(3)], "n": [1, 2, 3]}), path)
    (tmp_path / "README.md").write_text(CARD, "utf-8")
    (tmp_path / "dataset_infos.json").write_text("{}")
    (tmp_path / "script.py").write_text("raise SystemExit")
    return tmp_path


def test_a_copy_of_a_repository(repository: Path, sorted_out: Sort) -> None:
    reader = DatasetSource(name=str(repository), subset="english").build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert len(kept) == 6 and not dropped and kept[0].source == "en/part-0.parquet"
    assert kept[0].fields == {"n": "1"}
    before = reader.fingerprint(lambda path: path.name)
    assert before != DatasetSource(name=str(repository)).build().fingerprint(lambda path: path.name)
    assert "no split" in DatasetSource(name=str(repository), split="dev").build().check()[0]


def test_a_saved_data_set(tmp_path: Path, sorted_out: Sort) -> None:
    table = pa.table({"text": ["一", "two"]})
    for split in ("train", "test"):
        folder = tmp_path / split
        folder.mkdir()
        with (
            pa.OSFile(str(folder / "data.arrow"), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as out,
        ):
            out.write_table(table)
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
        (folder / "dataset_info.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text("{}")
    kept, _ = sorted_out(DatasetSource(name=str(tmp_path), split="test").build().read())
    assert [(one.source, one.text) for one in kept] == [("test/data.arrow", "一"), ("test/data.arrow", "two")]


def test_a_hub_name(repository: Path, monkeypatch: pytest.MonkeyPatch, sorted_out: Sort) -> None:
    asked: list[tuple[Any, ...]] = []

    def download(name: str, file: str, *, repo_type: str, revision: str) -> str:
        asked.append((name, file, repo_type, revision))
        return str(repository / file)

    siblings = [SimpleNamespace(rfilename=name) for name in (*FILES, "README.md", "script.py")]
    about = SimpleNamespace(sha="c0ffee", siblings=siblings)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda self, name, **options: about)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    reader = DatasetSource(name="owner/set", revision="main").build()
    assert reader.check() == [] and asked == [("owner/set", "README.md", "dataset", "c0ffee")]
    kept, _ = sorted_out(reader.read())
    assert len(kept) == 3 and asked[-1] == ("owner/set", "zh/a.parquet", "dataset", "c0ffee")
    assert not any(file.endswith(".py") for _, file, _, _ in asked)
    siblings[:] = [SimpleNamespace(rfilename="script.py")]
    assert "it is a script, which is never run" in reader.check()[0]


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, name: str, **options: Any) -> Any:
        raise ConnectionError("Name or service not known\nmore")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", fail)
    reader = DatasetSource(name="owner/set").build()
    with pytest.raises(UserError) as caught:
        list(reader.read())
    for found in (reader.check()[0], str(caught.value)):
        assert "the hub does not give the data set (ConnectionError: Name or service not known)" in found
        assert "give the folder of a copy" in found
