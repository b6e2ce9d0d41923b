from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from acclimate.report.gather import TaskRecord, read_run
from acclimate.report.predictions import BY_SIGN, CUT, OF_CLASSES, OF_ENTITIES, prediction, words_of
from acclimate.report.task_view import EXAMPLES, task_view


@pytest.fixture
def view(make_run: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    def make(change: Callable[[TaskRecord], None] = lambda task: None, **options: Any) -> dict[str, Any]:
        run = read_run(make_run().task(**options).done())
        change(run.tasks[0])
        return task_view(run.tasks[0], run)

    return make


def test_both_arms_stand_side_by_side(view: Callable[..., dict[str, Any]]) -> None:
    found = view()
    row = next(row for row in found["metrics"]["rows"] if row["name"] == "macro F1")
    assert (row["trained"].text, row["baseline"].text) == ("0.784", "0.713")
    assert str(row["strip"]).count("<circle") == 2
    assert (found["metrics"]["low"], found["metrics"]["high"]) == ("0.6", "1")
    assert found["seeds"]["rows"][0] == ("0", "0.7760", "0.7230", "+0.0530")
    assert len(found["seeds"]["rows"]) == 3


def test_classes_are_ranked_and_their_imbalance_stated(view: Callable[..., dict[str, Any]]) -> None:
    def change(task: TaskRecord) -> None:
        task.evaluation["class_counts"] = {"train": {"b": 30, "a": 300, "c": 60}, "test": {"a": 4}}

    classes = view(change, labels=["a", "b", "c"])["classes"]
    assert [row["name"] for row in classes["rows"]] == ["a", "c", "b"]
    assert classes["imbalance"] == "10.0" and (classes["largest"], classes["smallest"]) == ("a", "b")
    assert [row["counts"] for row in classes["rows"]] == [["300", "4"], ["60", "0"], ["30", "0"]]
    assert classes["totals"] == ["390", "4"]
    assert [row["bar"] for row in classes["rows"]] == [1, 0.2, 0.1]


def test_a_class_without_examples_has_no_ratio(view: Callable[..., dict[str, Any]]) -> None:
    def change(task: TaskRecord) -> None:
        task.evaluation["class_counts"] = {"train": {"a": 30}}

    classes = view(change, labels=["a", "b"])["classes"]
    assert classes["imbalance"] is None and classes["smallest"] == "b"


def test_long_texts_are_cut_and_lists_too(view: Callable[..., dict[str, Any]]) -> None:
    def change(task: TaskRecord) -> None:
        task.evaluation["examples"] = [
            {"text": "长" * 5000, "pair": "short", "label": "a", "predicted": "b", "probability": 0.5}
        ] * 50

    examples = view(change)["examples"]
    assert len(examples) == EXAMPLES
    assert examples[0]["texts"] == ["长" * CUT + " …", "short"]
    assert not examples[0]["right"]


def test_the_weakest_class_comes_first(view: Callable[..., dict[str, Any]]) -> None:
    figures = view()["class_figures"]
    assert [one["f1"] for one in figures] == sorted(one["f1"] for one in figures)
    assert len(figures) == 9


def test_counts_of_records(view: Callable[..., dict[str, Any]]) -> None:
    assert view()["accounting"] == [("read", "4,100"), ("kept", "4,000"), ("dropped (repeats_train)", "100")]


@pytest.mark.parametrize(("number", "even"), [(4801, True), (300, False)])
def test_classes_of_one_size_are_not_called_largest_and_smallest(
    view: Callable[..., dict[str, Any]], number: int, even: bool
) -> None:
    def change(task: TaskRecord) -> None:
        task.evaluation["class_counts"] = {"train": {"正面": 4799, "负面": number}}

    assert view(change, labels=["正面", "负面"])["classes"]["even"] is even


def test_the_worst_are_spoken_of_in_the_words_of_their_task() -> None:
    assert words_of({"kind": "classification", "labels": ["a"]}) is OF_CLASSES
    assert words_of({"kind": "ner", "labels": ["a"]}) is OF_ENTITIES
    for sign, words in BY_SIGN.items():
        assert words_of({"kind": "any", sign: None}) is words and "label" not in words.worst


def test_an_answer_is_right_by_the_measure_of_its_task() -> None:
    words = BY_SIGN["questions"]
    one = {"text": "几点？", "label": ["三点", "三点钟"], "predicted": ["三点"], "exact_match": 1.0}
    assert prediction(one, words)["right"] and not prediction(one | {"exact_match": 0.0}, words)["right"]
    written = {"text": "x", "label": ["a cat", "one cat"], "predicted": "one cat", "score": 1.0}
    assert prediction(written, words)["right"]
    assert not prediction(written | {"predicted": "dogs"}, words)["right"]
    tags = {"text": "x", "label": ["PER: 李"], "predicted": ["(none)"]}
    assert not prediction(tags, OF_ENTITIES)["right"]
