"""Texts that are held out as such: they go where they belong, whole, and no share is taken besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.build import build_corpus
from acclimate.corpus.lookup import read_again
from acclimate.corpus.storage import read_texts
from acclimate.recipe.corpus_section import Corpus

TRAIN = [f"training text number {number} about the weather in town" for number in range(60)]
VALID = [f"validation text number {number} , 第 {number} 句话" for number in range(9)]
TEST = [f"test text number {number} is kept for the last figures" for number in range(7)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, texts in (("sources", TRAIN), ("validation", VALID), ("test", TEST)):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(texts), "utf-8")
        found[name] = [{"path": str(path), "documents": "line"}]
    return found


def built(folder: Path, section: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    folder.mkdir()
    statistics = build_corpus(Corpus.model_validate(section), folder)
    parts = {
        part: [text for batch in read_texts(folder, part) for text in batch]
        for part in ("train", "validation", "test")
    }
    return statistics, parts


@pytest.mark.parametrize("near", [None, 0.8])
def test_each_part_is_its_own_text_in_its_order(
    files: dict[str, Any], tmp_path: Path, near: float | None
) -> None:
    """By way of the pool (near) and without it."""
    section = {**files, "split": {"near": near}, "deduplicate": {"near": None if near is None else {}}}
    if near is not None:
        section["deduplicate"] = {"near": {"threshold": 0.99}}
    statistics, parts = built(tmp_path / "corpus", section)
    assert parts == {"train": TRAIN, "validation": VALID, "test": TEST}
    assert [one["source"] for one in statistics["sources"]] == ["sources.txt", "validation.txt", "test.txt"]
    assert statistics["read"] == statistics["kept"] == 76


def test_the_other_part_is_still_a_share(files: dict[str, Any], tmp_path: Path) -> None:
    del files["test"]
    section = {**files, "split": {"validation": "50%", "test": "20%", "near": None}}
    _, parts = built(tmp_path / "corpus", section)
    assert parts["validation"] == VALID
    assert 3 < len(parts["test"]) < 25 and set(parts["test"]) < set(TRAIN)
    assert len(parts["train"]) + len(parts["test"]) == len(TRAIN)


def test_what_was_trained_on_is_not_held_out_too(files: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "validation.txt").write_text("\n".join([*VALID, TRAIN[3]]), "utf-8")
    statistics, parts = built(tmp_path / "corpus", {**files, "split": {"near": None}})
    assert parts["validation"] == VALID and statistics["dropped"] == {"exact_duplicate": 1}
    _, parts = built(tmp_path / "with", {**files, "split": {"near": None}, "deduplicate": {"exact": False}})
    assert parts["validation"] == [*VALID, TRAIN[3]]


def test_a_mix_of_sources_leaves_them_alone(files: dict[str, Any], tmp_path: Path) -> None:
    section = {**files, "mix": {"weights": {"sources.txt": 1}, "size": 1500}, "split": {"near": None}}
    _, parts = built(tmp_path / "corpus", section)
    assert len(parts["train"]) < 40
    assert (parts["validation"], parts["test"]) == (VALID, TEST)


def test_a_text_is_found_again_at_its_place(files: dict[str, Any]) -> None:
    assert read_again(Corpus.model_validate(files), "test.txt:3") == TEST[2]
