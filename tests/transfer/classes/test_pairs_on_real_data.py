"""Examples of tasks about numbers, pairs and choices from the real sets: every row is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acclimate.transfer.classes.multiple_choice import MultipleChoice
from acclimate.transfer.classes.pairs import Pairs
from acclimate.transfer.classes.regression import Regression
from acclimate.transfer.examples.preparing import build_examples, read_examples
from acclimate.transfer.vectors.matching import Matching


def built(kind: type[Any], folder: Path, **settings: Any) -> tuple[Any, dict[str, Any]]:
    task = kind.model_validate(settings)
    return task, build_examples(task, folder)


def accounted(told: dict[str, Any]) -> int:
    """How many examples there are in all parts; what was read is these and what was dropped."""
    number = sum(part["examples"] for part in told["splits"].values())
    assert told["read"] == number + sum(told["dropped"].values())
    return number


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sts_benchmark(data: Path, tmp_path: Path, language: str) -> None:
    parts = {
        part: {"sts": {"path": str(data / f"stsb/stsb-{language}-{name}.csv.gz")}}
        for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    _, told = built(Regression, tmp_path, pair="pair", **parts)
    assert accounted(told) > 8_500 and set(told["dropped"]) <= {"in_test", "in_validation"}
    assert told["scores"]["test"]["least"] == 0 and told["scores"]["test"]["most"] == 5


def test_ocnli_without_the_pairs_nobody_agreed_on(data: Path, tmp_path: Path) -> None:
    parts = {
        part: {"clue": {"path": str(data / f"ocnli/{name}"), "task": "ocnli"}}
        for part, name in (("train", "train.10k.json.zst"), ("test", "dev.json.gz"))
    }
    _, told = built(Pairs, tmp_path, without=["-"], near=None, **parts)
    assert told["dropped"] == {"unwanted_label": 65} and accounted(told) == 12_935
    assert told["labels"] == 3


def test_mrpc(data: Path, tmp_path: Path) -> None:
    parts = {
        part: {"glue": {"path": str(path), "task": "mrpc"}}
        for part in ("train", "test")
        for path in data.glob(f"mrpc/msr_paraphrase_{part}.txt*")
    }
    _, told = built(Pairs, tmp_path, near=None, **parts)
    assert accounted(told) == 4_076 + 1_725 - sum(told["dropped"].values())
    assert told["class_counts"]["test"] == {"0": 578, "1": 1_147}


def test_candidates_of_patients_questions_stay_together(data: Path, tmp_path: Path) -> None:
    source = {"path": str(data / "chinese_medical/cMedQA/dev.txt.zst"), "format": "tsv", "header": False}
    settings = {"text": 1, "pair": 2, "label": 0, "candidates": "given", "near": None}
    task, told = built(Matching, tmp_path, data=source, **settings)
    assert accounted(told) + told["dropped"].get("no_text", 0) <= 5_475
    keys = [task.keys(read_examples(tmp_path, part)) for part in ("train", "validation", "test")]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert [len(one) for one in keys] == list(told["questions"].values())


@pytest.mark.parametrize(
    ("reader", "pattern", "number", "most"),
    [
        ("c3", "c3/c3-m-{}.json*", 10_006, 4),
        ("dream", "dream/{}.json*", 10_197, 3),
        ("mctest", "mctest/mc500.{}.tsv*", 2_000, 4),
    ],
)
def test_questions_with_choices(
    data: Path, tmp_path: Path, reader: str, pattern: str, number: int, most: int
) -> None:
    parts = {
        part: {reader: {"path": str(next(data.glob(pattern.format(name))))}}
        for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    _, told = built(MultipleChoice, tmp_path, **parts)
    assert told["read"] == number and accounted(told) > 0.95 * number
    assert set(told["dropped"]) <= {"in_test", "in_validation"}
    assert max(map(int, told["choices"]["test"])) == most
    assert told["splits"]["train"]["examples"] > told["contexts"]["train"]
