"""The repeats that ../shared/data/README.md tells of are found, on the sets themselves."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from acclimate.corpus.build import build_corpus
from acclimate.corpus.document import comparable
from acclimate.corpus.leakage.held_out import HeldOutText
from acclimate.corpus.storage import read_texts
from acclimate.recipe.corpus_section import Corpus

NO_SPLIT = {"validation": 0, "test": 0}


def read(path: Path) -> str:
    with pa.input_stream(str(path), compression="detect") as file:
        content: bytes = file.read()
    return content.decode("utf-8-sig")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., tuple[dict[str, Any], list[dict[str, Any]], list[str]]]:
    """(statistics, the list of what was found, the texts that stay)"""

    def make(
        held_out: list[HeldOutText], **section: Any
    ) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
        statistics = build_corpus(
            Corpus.model_validate({"split": NO_SPLIT, **section}), tmp_path, held_out=held_out
        )
        found = [json.loads(line) for line in (tmp_path / "contamination.jsonl").open(encoding="utf-8")]
        return statistics, found, [text for texts in read_texts(tmp_path, "train") for text in texts]

    return make


def column(path: Path, number: int) -> Iterator[HeldOutText]:
    for line, row in enumerate(read(path).rstrip("\n").split("\n"), 1):
        yield HeldOutText("task", "test", f"{path.name}:{line}", row.split("\t")[number])


def test_the_shopping_reviews_hold_506_of_chnsenticorp_s_test_texts_and_copies(
    shared: Path, build: Any
) -> None:
    tests = list(column(shared / "chnsenticorp/test.tsv.gz", 1))[1:]
    assert len(tests) == 1200
    path = shared / "online_shopping_10_cats/online_shopping_10_cats_half.csv.zst"
    reviews = {row["review"] for row in csv.DictReader(io.StringIO(read(path)))}
    equal = {one.id for one in tests if one.text in reviews}
    assert len(equal) == 506  # as the README says
    statistics, found, left = build(tests, sources=[{"path": str(path), "text": "review"}])
    named = {text["id"] for one in found for text in one["texts"]}
    assert equal <= named
    assert statistics["contamination"]["sets"] == [
        {"task": "task", "split": "test", "texts": 1200, "found": len(named)}
    ]
    # More than the equal ones: those that differ in case, width, space or punctuation, near-copies, and parts.
    assert len(named) > 570 and {text["how"] for one in found for text in one["texts"]} == {
        "equal",
        "near",
        "holds",
    }
    assert statistics["dropped"]["in_task"] > 506
    normal = {comparable(text) for text in left}
    assert not [one.id for one in tests if comparable(one.text) in normal]
    # None of their passages of 50 characters either, counted here in plain Python.
    passages = {run for one in tests for run in runs_of_characters(one.text)}
    assert passages and not passages.intersection(run for text in left for run in runs_of_characters(text))


def runs_of_characters(text: str, size: int = 50) -> Iterator[str]:
    """Runs of Chinese characters with nothing but punctuation between them."""
    for piece in re.split(r"[a-zA-Z0-9\uff10-\uff5a]+", text):
        own = re.sub(r"[^\u4e00-\u9fff]", "", piece)
        yield from (own[at : at + size] for at in range(len(own) - size + 1))


def test_titles_of_one_thucnews_subset_in_the_other(shared: Path, build: Any) -> None:
    tests = list(column(shared / "thucnews/subset_a/test.txt.gz", 0))
    other = [shared / f"thucnews/subset_b/{part}.txt.zst" for part in ("dev", "test")]
    titles = {line.split("\t")[-1] for path in other for line in read(path).split("\n")}
    equal = {one.id for one in tests if one.text in titles}
    assert len(equal) == 576  # to the letter; the README counts some more
    sources = [{"path": str(path), "format": "tsv", "header": False, "text": 1} for path in other]
    _, found, left = build(tests, sources=sources)
    assert equal <= {text["id"] for one in found for text in one["texts"]}
    assert not {one.text for one in tests} & set(left)


def test_cluener_sentences_that_are_thucnews_titles(shared: Path, build: Any) -> None:
    tests = [
        HeldOutText("ner", "test", f"{name}:{number}", json.loads(line)["text"])
        for name in ("train.txt.zst", "dev.txt.gz")
        for number, line in enumerate(read(shared / "cluener" / name).rstrip("\n").split("\n"), 1)
    ]
    sources = [
        {
            "path": str(shared / f"thucnews/subset_{name}.txt.{kind}"),
            "format": "tsv",
            "header": False,
            "text": text,
        }
        for name, kind, text in (
            ("a/dev", "gz", 0),
            ("a/test", "gz", 0),
            ("b/dev", "zst", 1),
            ("b/test", "zst", 1),
        )
    ]
    _, found, _ = build(tests, sources=sources)
    equal = {text["id"] for one in found for text in one["texts"] if text["how"] == "equal"}
    assert len(equal) >= 54


def test_stsb_holds_sentences_of_mrpc(shared: Path, build: Any) -> None:
    rows = [
        line.split("\t")
        for line in read(shared / "mrpc/msr_paraphrase_test.txt.gz").rstrip("\n").split("\n")[1:]
    ]
    tests = [
        HeldOutText("mrpc", "test", f"{n}.{side}", row[side])
        for n, row in enumerate(rows, 1)
        for side in (3, 4)
    ]
    path = shared / "stsb/stsb-en-train.csv.gz"
    sources = [{"path": str(path), "header": False, "text": number} for number in (0, 1)]
    statistics, _found, left = build(tests, sources=sources)
    assert statistics["dropped"]["in_task"] > 100
    assert not {comparable(one.text) for one in tests} & {comparable(text) for text in left}


def test_copies_among_the_laws_and_repeats_of_chnsenticorp(shared: Path, build: Any, tmp_path: Path) -> None:
    laws = Corpus.model_validate(
        {
            "sources": [{"path": str(shared / "chinese_law/laws.tar.gz"), "documents": "file"}],
            "split": NO_SPLIT,
        }
    )
    (tmp_path / "laws").mkdir()
    statistics = build_corpus(laws, tmp_path / "laws")
    assert statistics["read"] >= 475 and statistics["dropped"]["exact_duplicate"] == 11
    path = shared / "chnsenticorp/train.tsv.zst"
    (tmp_path / "reviews").mkdir()
    statistics = build_corpus(
        Corpus.model_validate(
            {"sources": [{"path": str(path), "text": "text_a"}], "split": NO_SPLIT, "clean": []}
        ),
        tmp_path / "reviews",
    )
    assert (statistics["read"], statistics["kept"]) == (9600, 8249)
