"""Tasks that write, as recipes state them: what is refused and where, and which kind of model does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.errors import UserError
from acclimate.models.families.bart import Bart
from acclimate.models.families.bert import Bert
from acclimate.models.families.gpt2 import Gpt2
from acclimate.recipe.loading import load_recipe
from acclimate.transfer.examples.preparing import build_examples, read_examples
from acclimate.transfer.writing.correction import Correction
from acclimate.transfer.writing.generation import Generation
from acclimate.transfer.writing.summarization import Summarization
from acclimate.transfer.writing.translation import Translation
from acclimate.transfer.writing.writing_task import Writing

FILES = {"train": "train.jsonl", "test": "test.jsonl"}


@pytest.mark.parametrize(
    ("task", "settings", "place", "words"),
    [
        (Summarization, {"target": "text"}, ("target",), "the source's own"),
        (Summarization, {"target": []}, ("target",), "expected one column or several"),
        (Summarization, {"target": ["a", "a"]}, ("target",), "several different ones"),
        (Summarization, {"target_length": 400}, ("target_length",), r"`sequence_length`\) at most"),
        (Summarization, {"metric": "gleu"}, ("metric",), "does not fit this task's answers"),
        (
            Summarization,
            {"decoding": {"beams": 3, "top_k": 5}},
            ("decoding", "top_k"),
            "leave one of them out",
        ),
        (
            Summarization,
            {"header": False, "text": 0, "target": "x"},
            ("target",),
            "numbers from 0, found 'x'",
        ),
        (Correction, {"metric": "macro_f1"}, ("metric",), "does not fit"),
        (Generation, {"target": "a", "given": "30%"}, ("given",), "parts a text"),
        (Generation, {"given": "100%"}, ("given",), "less than 100%"),
        (Translation, {"languages": ["en_XX"]}, ("languages", 1), "missing"),
    ],
)
def test_what_makes_no_sense_is_refused(
    task: type[Writing], settings: dict[str, Any], place: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        task.model_validate({**FILES, **settings})
    assert caught.value.errors()[0]["loc"] == place


def test_the_first_kind_that_a_family_has_is_taken() -> None:
    task = Summarization.model_validate(FILES)
    assert task.suited(Bart()).kind == "seq2seq" and task.suited(Gpt2()).kind == "clm"
    assert task.suited(Gpt2()).training_settings() == task.training_settings()
    assert task.suited(Bert()).kind not in Bert.kinds  # the recipe says that it has no head for it


def test_settings_that_mean_nothing_to_the_models_are_named() -> None:
    separated = Correction.model_validate({**FILES, "separator": " => "})
    assert separated.suited(Gpt2()).idle() is None
    assert separated.suited(Bart()).idle()[0] == "separator"  # type: ignore[index]
    marked = Translation.model_validate({**FILES, "languages": ["en_XX", "zh_CN"]})
    assert marked.suited(Bart()).idle() is None
    assert marked.suited(Gpt2()).idle()[0] == "languages"  # type: ignore[index]
    joined = Generation.model_validate({**FILES, "separator": "|"})
    assert joined.suited(Gpt2()).idle()[0] == "separator"  # type: ignore[index]


@pytest.mark.parametrize(
    ("family", "task", "words"),
    [
        ("bert", "summarization: {data: a.jsonl}", "the family bert has no head for summarization"),
        (
            "bart",
            "correction: {data: a.jsonl, separator: '|'}",
            "separator: stands before a causal model's target",
        ),
    ],
)
def test_a_recipe_says_what_does_not_go_together(tmp_path: Path, family: str, task: str, words: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "target": "b"}\n')
    text = (
        f"corpus: {{sources: [{{path: a.jsonl}}]}}\nmodel: {{family: {family}}}\ntasks: {{one: {{{task}}}}}\n"
    )
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        load_recipe(tmp_path / "recipe.yaml")


def test_generation_parts_texts_unless_told_where_they_go_on() -> None:
    assert Generation.model_validate({"data": "a.txt"}).given == 0.5
    given = Generation.model_validate({"data": "a.txt", "target": "next"})
    assert given.given is None and given.targets == ["next"]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def test_examples_keep_all_targets_and_leaks_are_dropped(tmp_path: Path) -> None:
    write(
        tmp_path / "train.jsonl",
        [{"text": f"source {n}", "summary": f"目标 {n}"} for n in range(20)] + [{"text": "no target"}],
    )
    write(
        tmp_path / "test.jsonl",
        [{"text": f"SOURCE  {n}", "summary1": "一", "summary2": "two"} for n in range(18, 22)],
    )
    task = Summarization.model_validate(
        {**FILES, "target": ["summary", "summary1", "summary2"]}, context={"base": tmp_path}
    )
    assert task.check() == []
    (tmp_path / "out").mkdir()
    told = build_examples(task, tmp_path / "out")
    assert told["dropped"] == {"in_test": 2, "no_target": 1} and told["read"] == told["kept"] + 3
    assert told["targets"]["test"]["most_of_a_source"] == 2
    test = read_examples(tmp_path / "out", "test")
    assert test.more[0] == {"targets": ["一", "two"]} and test.texts[0] == "SOURCE  18"
    assert task.keys(test) == {(f"source {n}", "") for n in range(18, 22)}


def test_a_column_of_targets_that_is_nowhere_is_told_before_anything_is_read(tmp_path: Path) -> None:
    for name in FILES.values():
        write(tmp_path / name, [{"text": "a", "summry": "b"}] * 3)
    task = Summarization.model_validate({**FILES, "target": "summary"}, context={"base": tmp_path})
    found = task.check()
    assert [place for place, _ in found] == [("target",)] * 2 and "did you mean 'summry'" in found[0][1]


def test_keys_of_parted_texts_are_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"A beginning and its end {n}\n" for n in range(40)))
    task = Generation.model_validate(
        {"data": {"path": "a.txt", "documents": "line"}, "near": None}, context={"base": tmp_path}
    )
    (tmp_path / "out").mkdir()
    build_examples(task, tmp_path / "out")
    rows = {part: task.keys(read_examples(tmp_path / "out", part)) for part in ("train", "test")}
    assert rows["train"] and rows["test"] and not rows["train"] & rows["test"]
