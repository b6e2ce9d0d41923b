from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.errors import UserError
from acclimate.transfer.examples.independent import read_independent
from acclimate.transfer.examples.keys import keys_of
from acclimate.transfer.examples.preparing import read_examples

TRAIN = "text\tlabel\n" + "".join(f"text {n}\t{'ab'[n % 2]}\n" for n in range(30))
TEST = "text\tlabel\nt one\ta\nt two\tb\n"
FILES = {"train.tsv": TRAIN, "test.tsv": TEST}
GIVEN = {"train": "train.tsv", "test": "test.tsv", "independent_test": "later.tsv"}


@pytest.fixture
def opened(task: Callable[..., Any], build: Callable[..., Any]) -> Callable[..., Any]:
    """What is left of an independent test with this content."""

    def open_(content: str, **settings: Any) -> Any:
        files = {**FILES, "later.tsv": content}
        _, folder = build(files, **GIVEN, **settings)
        known = {split: keys_of(read_examples(folder, split)) for split in ("train", "validation", "test")}
        return read_independent(task(files, **GIVEN, **settings), ["a", "b"], known)

    return open_


def test_what_the_task_knows_is_left_out_and_booked(opened: Callable[..., Any]) -> None:
    found = opened("text\tlabel\nnew one\tb\nTEXT  4\ta\nt two\ta\nnew two\ta\n\tb\n")
    assert found.examples.texts == ["new one", "new two"]
    assert found.examples.labels.tolist() == [1, 0]
    books = found.accounting
    assert books["read"] == books["kept"] + sum(books["dropped"].values()) == 5
    assert books["dropped"] == {"in_test": 1, "in_train": 1, "no_text": 1} or books["dropped"] == {
        "in_test": 1,
        "in_validation": 1,
        "no_text": 1,
    }


def test_several_labels(opened: Callable[..., Any]) -> None:
    found = opened("text\tlabel\nnew\ta,b\nold\t\n", multi_label=True)
    assert found.examples.labels.tolist() == [[1, 1], [0, 0]]


def test_an_unknown_label_and_an_empty_rest_are_told(opened: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r"later\.tsv:2: label 'c' is not among the 2 labels"):
        opened("text\tlabel\nnew\tc\n")
    with pytest.raises(UserError, match="nothing is left of the independent test: in_test 1"):
        opened("text\tlabel\nt one\ta\n")


def test_checking_says_that_it_is_missing_and_does_not_look_into_it(
    task: Callable[..., Any], tmp_path: Path
) -> None:
    found = task(FILES, **GIVEN).check()
    assert [place for place, _ in found] == [("independent_test",)]
    assert task({**FILES, "later.tsv": "nothing of the kind\n"}, **GIVEN).check() == []


def test_examples_are_built_without_it(
    task: Callable[..., Any], tmp_path: Path, build: Callable[..., Any]
) -> None:
    """It may be any file at all until the evaluation."""
    statistics, _ = build({**FILES, "later.tsv": b"\xff\x00"}, **GIVEN)
    assert statistics["sources"].keys() == {"train", "test"}
    same = task(FILES, **GIVEN).data_settings()
    assert same == task(FILES, train="train.tsv", test="test.tsv").data_settings()
