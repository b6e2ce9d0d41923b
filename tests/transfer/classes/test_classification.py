"""The task's settings: what is refused and where, defaults that hang on the data's origin, identity for stage keys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from acclimate.errors import UserError
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.examples.preparing import Examples

FILES = {"train": "train.tsv", "test": "test.tsv"}


def _problem(**settings) -> tuple[tuple[str, ...], str]:
    with pytest.raises(ValidationError) as caught:
        Classification.model_validate(settings)
    (one,) = caught.value.errors()
    return one["loc"], one["msg"]


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ({}, (), "give `train` and `test`, or `data`"),
        ({"train": "a.tsv"}, ("test",), "go together"),
        ({"test": "a.tsv"}, ("train",), "go together"),
        ({"data": "a.csv", "train": "b.csv"}, ("train",), "either `data`"),
        ({"data": "a.csv", "hold_out": 0.1}, ("hold_out",), "goes with `train`"),
        ({"data": "a.csv", "format": "tsv"}, ("format",), "say it in `data`"),
        ({"data": {"path": "a.csv", "text": "x"}, "text": "y"}, ("text",), "say it once"),
        ({**FILES, "split": {}}, ("split",), "goes with `data`"),
        ({**FILES, "validation": "v.tsv", "hold_out": "5%"}, ("hold_out",), "without `validation`"),
        ({**FILES, "validation": "v.tsv", "near": 0.7}, ("near",), "nothing is split"),
        ({**FILES, "near": 0}, ("near",), "0%"),
        ({**FILES, "hold_out": 0}, ("hold_out",), "more than 0%"),
        ({**FILES, "separator": "|"}, ("separator",), "multi_label"),
        ({**FILES, "header": False, "text": 0}, ("label",), "numbers from 0, found 'label'"),
        ({**FILES, "label": -1}, ("label",), "numbered from 0"),
        ({**FILES, "label": True}, ("label",), "name of a column"),
        ({**FILES, "batch": "3 epochs"}, ("batch",), "unknown unit"),
        ({**FILES, "metric": "macro_f2"}, ("metric",), "did you mean 'macro_f1'?"),
        ({**FILES, "lable": 1}, ("lable",), "did you mean 'label'?"),
        ({"data": "a.csv", "split": {"validation": "60%", "test": "40%"}}, ("split",), "leave nothing"),
        ({"data": "a.csv", "split": {"test": 0}}, ("split",), "more than nothing"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(settings, place, message):
    where, said = _problem(**settings)
    assert where[: len(place)] == place
    assert message in said


def test_defaults_hang_on_where_the_examples_come_from():
    files = Classification.model_validate(FILES)
    assert (files.hold_out, files.near, files.split) == (0.1, 0.8, None)
    official = Classification.model_validate({**FILES, "validation": "v.tsv"})
    assert (official.hold_out, official.near, official.split) == (None, None, None)
    split = Classification.model_validate({"data": "a.csv"})
    assert (split.hold_out, split.near) == (None, 0.8)
    assert (split.split.validation, split.split.test) == (0.15, 0.25)
    assert Classification.model_validate({"data": "a.csv", "near": None}).near is None


@pytest.mark.parametrize(
    "settings",
    [
        FILES,
        {**FILES, "near": None},
        {**FILES, "validation": "v.tsv", "multi_label": True, "separator": "|"},
        {"data": "a.csv", "near": None, "text": "review"},
        {"data": {"path": "a.csv", "header": False, "text": 1}, "label": 0},
        {"data": {"docstrings": {"packages": ["numpy"]}}, "label": "package"},
        {"data": {"files": {"path": "a.csv"}}, "text": "review"},
    ],
)
def test_a_resolved_task_means_what_it_meant(settings):
    task = Classification.model_validate(settings)
    dumped = task.model_dump(mode="json")
    assert Classification.model_validate(dumped) == task
    assert Classification.model_validate(dumped).model_dump(mode="json") == dumped


def test_the_text_column_may_be_said_at_the_task_or_at_its_data():
    at_task = Classification.model_validate({"data": "a.csv", "text": "review"})
    assert at_task.data.text == "review"
    at_data = Classification.model_validate(
        {"data": {"path": "a.csv", "header": False, "text": 2}, "label": 0}
    )
    assert at_data.text == 2


def test_every_setting_decides_the_examples_the_training_or_the_figures():
    elsewhere = {
        "train",
        "validation",
        "test",
        "data",
        "seeds",
        "baseline",
        "augment",
        "independent_test",
        "before",
    }  # in fingerprints, in the keys of stages of their own, or in which stages run
    task = Classification.model_validate(FILES)
    parts = task.data_settings(), task.training_settings(), task.judging_settings()
    assert set().union(*parts) | elsewhere == set(Classification.model_fields)


def test_a_changed_learning_rate_leaves_the_examples_and_the_figures_alone():
    one = Classification.model_validate(FILES)
    other = Classification.model_validate({**FILES, "optimizer": {"adamw": {"lr": 1e-5}}})
    assert one.data_settings() == other.data_settings()
    assert one.judging_settings() == other.judging_settings()
    assert one.training_settings() != other.training_settings()


def test_the_identity_is_the_contents_and_not_the_place(task, tmp_path):
    rows = {"train.tsv": "text\tlabel\na\tx\nb\ty\n", "test.tsv": "text\tlabel\nc\tx\n"}
    digests = lambda path: path.read_bytes().hex()  # noqa: E731
    first = task(rows, **FILES).fingerprint(digests)
    (tmp_path / "moved").mkdir()
    moved = {f"moved/{name}": content for name, content in rows.items()}
    assert task(moved, train="moved/train.tsv", test="moved/test.tsv").fingerprint(digests) == first
    assert task({"train.tsv": "text\tlabel\na\tx\nB\ty\n"}, **FILES).fingerprint(digests) != first


def test_scores_that_are_not_finite_are_named():
    task = Classification.model_validate(FILES)
    examples = Examples(["1", "2"], ["a", "b"], None, np.array([0, 1]))
    scores = np.array([[0.0, np.nan], [1.0, 0.0]])
    with pytest.raises(UserError, match="the model gives scores that are not finite for 1 test"):
        task.outcomes(["x", "y"], examples, {"scores": scores})


def test_a_check_names_all_problems_with_their_places(task):
    made = task(
        {"train.csv": "title,topic\nx,1\ny,2\n", "test.tsv": "text\tlabel\na\tb\n"},
        train="train.csv",
        validation="absent.tsv",
        test="test.tsv",
        pair="text",
    )
    problems = made.check()
    assert [place for place, _ in problems] == [("text",), ("pair",), ("label",), ("validation",)]
    assert "train.csv:2: there is no column 'label' (label); choose from: title, topic" in problems[2][1]
    assert "absent.tsv" in problems[3][1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", "empty"),
        ("a.tsv.gz", b"this is no gzip", "a.tsv.gz"),
        ("a.jsonl", "not json\n", "malformed_json"),
        ("a.what", "text\tlabel\n", "extension .what is not known"),
    ],
)
def test_a_check_sees_a_file_that_cannot_be_used(task, name, content, message):
    made = task({name: content, "test.tsv": "text\tlabel\na\tb\n"}, train=name, test="test.tsv")
    ((place, said),) = made.check()
    assert place == ("train",)
    assert message in said


def test_a_good_task_has_no_problems(task):
    lines = '{"id": 1, "text": "a"}\n{"text": "b", "label": "x"}\n'  # JSON lines may leave out a key
    assert task({"a.jsonl": lines}, train="a.jsonl", test="a.jsonl").check() == []
    assert (
        task({"a.txt": "好\t1\n"}, train="a.txt", test="a.txt", header=False, text=0, label=1).check() == []
    )


def test_a_check_does_not_read_on(task, tmp_path):
    made = task({"a.tsv": "text\tlabel\n" + "some text\tx\n" * 400_000}, train="a.tsv", test="a.tsv")
    reader = made.readers()["train"]
    assert made.check() == []
    records = reader.records()
    for _ in range(100):
        next(records)
    assert reader.bytes_done < Path(tmp_path, "a.tsv").stat().st_size / 2


def test_numbered_columns_of_json_lines_are_refused(task):
    made = task({"a.jsonl": '{"text": "a", "label": "x"}\n'}, train="a.jsonl", test="a.jsonl", label=1)
    assert all("columns of JSON lines have names" in said for _, said in made.check())
    assert [place for place, _ in made.check()] == [("train",), ("test",)]


def test_a_threshold_too_low_to_mean_anything_is_said(task):
    made = task({"a.tsv": "text\tlabel\na\tx\n"}, train="a.tsv", test="a.tsv", near=0.01)
    ((place, said),) = made.check()
    assert place == ("near",)
    assert "too low" in said


def test_settings_load_without_the_heavy_libraries():
    code = (
        "import sys, acclimate.transfer.classes.classification, acclimate.transfer.methods.full, "
        "acclimate.evaluate.metrics, "
        "acclimate.evaluate.bootstrap as b; from acclimate.transfer.classes.classification import Classification as C; "
        "C.model_validate({'data': 'a.csv'}); "
        "print([m for m in ('torch', 'transformers', 'sklearn', 'scipy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
