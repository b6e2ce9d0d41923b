from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from acclimate.corpus.augment.eda import Eda
from acclimate.corpus.augment.windows import Crop
from acclimate.transfer.augment.augmenting import augment_examples
from acclimate.transfer.examples.preparing import read_examples

TRAIN = "text\tlabel\n" + "".join(
    f"the {animal} number {n} sleeps near the old house today\t{animal}\n"
    for n in range(20)
    for animal in ("cat", "dog")
)
TEST = "text\tlabel\nthe cat sleeps\tcat\nthe dog sleeps\tdog\n"


@pytest.fixture
def source(build: Callable[..., Any]) -> Path:
    _, folder = build({"train.tsv": TRAIN, "test.tsv": TEST}, train="train.tsv", test="test.tsv")
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "train.parquet").to_pylist()


def grown(source: Path, folder: Path, *methods: Any, seed: int = 0) -> dict[str, Any]:
    folder.mkdir()
    return augment_examples(methods, source, folder, seed=seed)


def test_training_grows_with_right_labels_and_nothing_else(source: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    told = grown(source, tmp_path / "more", Eda(copies=4), Crop(least=0.5))
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    old, new = rows(source), rows(tmp_path / "more")
    assert told["examples"] == len(old) and told["with_new"] == len(new)
    assert len(new) == len(old) + sum(one["made"] for one in told["methods"])
    for one, method in zip(told["methods"], (Eda(copies=4), Crop()), strict=True):
        assert one["made"] + sum(one["left_out"].values()) == method.copies * len(old)
    by_id = {row["id"]: row for row in old}
    for row in new:
        origin, _, made_by = row["id"].partition("#")
        assert row["label"] == by_id[origin]["label"]
        assert (row == by_id[origin]) if not made_by else made_by.startswith(("eda-0-", "crop-1-"))
    assert [row["id"] for row in new if "#" not in row["id"]] == [row["id"] for row in old]
    examples = read_examples(tmp_path / "more", "train")
    assert len(examples) == len(new)
    said = json.loads((tmp_path / "more" / "statistics.json").read_text("utf-8"))
    assert said["augmented"] == told


def test_the_seed_decides(source: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        grown(source, tmp_path / name, Eda(), seed=seed)
    assert rows(tmp_path / "a") == rows(tmp_path / "b") != rows(tmp_path / "c")


def test_no_held_out_text_and_no_repeat_comes_out(build: Callable[..., Any], tmp_path: Path) -> None:
    """Texts of three words, cropped to two: most of what can come out stands in the test or came out before."""
    train = "".join(f"alpha beta {n}\tx\n{n} beta alpha\ty\n" for n in range(10))
    test = "".join(f"beta {n}\tx\n{n} beta\ty\n" for n in range(10)) + "alpha beta\tx\n"
    files = {"train.tsv": "text\tlabel\n" + train, "test.tsv": "text\tlabel\n" + test}
    _, folder = build(files, train="train.tsv", test="test.tsv")
    told = grown(folder, tmp_path / "more", Crop(least=0.7, copies=20))
    (method,) = told["methods"]
    assert method["left_out"]["held_out"] > 0 and method["left_out"]["unchanged"] > 0
    held_out = {text for split in ("validation", "test") for text in read_examples(folder, split).texts}
    texts = [row["text"] for row in rows(tmp_path / "more")]
    assert not held_out & set(texts)
    assert (
        max(Counter((row["id"].split("#")[0], row["text"]) for row in rows(tmp_path / "more")).values()) == 1
    )


def test_both_texts_of_a_pair_are_made_anew(build: Callable[..., Any], tmp_path: Path) -> None:
    lines = "".join(
        f"the first text number {n} of a pair\tand another text number {n} for it\t{n % 2}\n"
        for n in range(30)
    )
    files = {"train.tsv": "a\tb\tlabel\n" + lines, "test.tsv": "a\tb\tlabel\nu\tv\t0\nw\tx\t1\n"}
    _, folder = build(files, train="train.tsv", test="test.tsv", text="a", pair="b")
    grown(folder, tmp_path / "more", Eda(copies=2))
    old = {row["id"]: row for row in rows(folder)}
    new = [row for row in rows(tmp_path / "more") if "#" in row["id"]]
    assert len(new) == 2 * len(old)
    assert any(row["pair"] != old[row["id"].split("#")[0]]["pair"] for row in new)
    assert any(row["text"] != old[row["id"].split("#")[0]]["text"] for row in new)
