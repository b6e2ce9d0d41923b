"""A task learnt in periods: a class that comes later, what is left of the earlier ones, and the report of it."""

from __future__ import annotations

import json
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest

RECIPE = """\
name: periods
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 5%%, test: 5%%}}
tokenizer: {train: {vocab_size: 500}}
model: {family: bert, size: tiny}
tasks:
  topic:
    classification:
      train: new.tsv
      test: new-test.tsv
      before: [{train: old.tsv, test: old-test.tsv}]
      keep: %s
      length: 40 epochs
      seeds: 1
      batch: 8 sequences
      sequence_length: 32
      patience: null
      optimizer: {adamw: {lr: 1e-3}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""
WORDS = {
    "sport": ["ball", "team", "goal", "match", "score", "win", "play", "game"],
    "cooking": ["salt", "pan", "oil", "bake", "flour", "stir", "soup", "taste"],
    "天气": ["晴", "雨", "风", "雪", "云", "冷", "热", "雷"],
}


def texts(label: str, number: int, shift: int) -> list[str]:
    words = WORDS[label]
    return [
        " ".join(words[(3 * one + shift + k * (one % 3 + 1)) % 8] for k in range(5)) + f" {shift}{one}"
        for one in range(number)
    ]


def write(folder: Path, name: str, labels: list[str], number: int, shift: int) -> list[str]:
    rows = [(text, label) for label in labels for text in texts(label, number, shift)]
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [text for text, _ in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("periods")
    told = write(folder, "old.tsv", ["sport", "cooking"], 24, 1)
    told += write(folder, "new.tsv", ["天气", "cooking"], 24, 2)
    write(folder, "old-test.tsv", ["sport", "cooking"], 12, 5)
    write(folder, "new-test.tsv", ["天气", "cooking"], 12, 6)
    lines = [f"{text} {other}" for text in told for other in ("first", "second")]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run(command: Any, folder: Path, keep: str, *more: str) -> tuple[dict[str, Any], dict[str, Any], Path]:
    return run_recipe(command, folder, RECIPE % keep, *more)


def run_recipe(
    command: Any, folder: Path, recipe: str, *more: str
) -> tuple[dict[str, Any], dict[str, Any], Path]:
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    ended = command("run", "recipe.yaml", "--json", *more, folder=folder)
    assert ended.code == 0, ended.err
    place = folder / ended.told["run"]
    found = json.loads((place / "artifacts/evaluation-topic/evaluation.json").read_text("utf-8"))
    return ended.told["tasks"]["topic"]["periods"], found, place


def test_the_past_is_lost_unless_it_is_kept(acclimate_command: Any, folder: Path) -> None:
    kept, found, place = run(acclimate_command, folder, "joint")
    lost, _, _ = run(acclimate_command, folder, "nothing")
    assert found["test"]["macro_f1"]["value"] == kept["scores"][1][1] > 0.9
    assert found["labels"] == ["cooking", "sport", "天气"]  # the first period's stay where they were
    assert [len(row) for row in kept["scores"]] == [1, 2]
    assert kept["metric"] == "macro_f1"
    assert (kept["method"], lost["method"]) == ({"joint": {}}, {"nothing": {}})
    (row,), (other,) = kept["periods"], lost["periods"]
    assert row["learnt"] == other["learnt"]  # the first period is learnt alike
    assert lost["forgetting"] > kept["forgetting"] + 0.1
    assert other["change"]["low"] <= other["change"]["value"] <= other["change"]["high"]
    assert lost["backward_transfer"] == pytest.approx(-lost["forgetting"])
    assert kept["average"] == pytest.approx(sum(kept["scores"][1]) / 2)
    (ahead,) = kept["ahead"]
    assert ahead["loss"] > 0 and ahead["value"]["value"] == pytest.approx(kept["next"])
    page = (place / "report.html").read_text("utf-8")
    assert "What was kept of earlier periods" in page and "which knew nothing of it" in page
    texts_of = (place / "artifacts/corpus/statistics.json").read_text("utf-8")
    assert json.loads(texts_of)["read"] == 192


@pytest.mark.parametrize(
    "keep", ["replay", "{ewc: 100}", "lwf", "{lookahead: 20%}", "joint_then_new", "prospective", "a_gem"]
)
def test_every_way_runs(acclimate_command: Any, folder: Path, keep: str) -> None:
    found, _, _ = run(acclimate_command, folder, keep, "--set", "tasks.topic.classification.length=2 epochs")
    assert 0 <= found["average"] <= 1


def test_the_coming_period_is_foreseen_by_an_ordinary_model(acclimate_command: Any, tmp_path: Path) -> None:
    """Labels that flip from period to period: three are learnt, and the delivered model is right in the fourth."""
    turned = {"sport": ["yes", "no"], "天气": ["no", "yes"]}
    for period in range(4):
        for name, number in (("train", 24), ("test", 12)):
            rows = [
                (text, told[period % 2])
                for label, told in turned.items()
                for text in texts(label, number, 10 * period + (name == "test"))
            ]
            lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
            (tmp_path / f"{name}{period}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [f"{text} {n}" for label in turned for text in texts(label, 24, 1) for n in range(4)]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = "[{train: train0.tsv, test: test0.tsv}, {train: train1.tsv, test: test1.tsv}]"
    recipe = RECIPE.replace("[{train: old.tsv, test: old-test.tsv}]", before).replace("new-test", "test2")
    recipe = recipe.replace("40 epochs", "20 epochs").replace(
        "train: new.tsv", "train: train2.tsv\n      independent_test: test3.tsv"
    )
    found, told, place = run_recipe(acclimate_command, tmp_path, recipe % "prospective")
    assert [one["value"]["value"] for one in found["ahead"]][1] > 0.9 > found["ahead"][0]["value"]["value"]
    assert found["method"] == {"prospective": {"cycles": [2.0]}}
    assert told["independent"]["test"]["macro_f1"]["value"] > 0.9
    assert min(found["scores"][2]) > 0.9
    page = (place / "report.html").read_text("utf-8")
    assert (
        "answers for the period to come" in page
        and "The delivered model answers for the period after" in page
    )
    assert "answers for the period after it" in (place / "tasks/topic/model/README.md").read_text("utf-8")
    weights = json.loads((place / "tasks/topic/model/config.json").read_text("utf-8"))
    assert weights["architectures"] == ["BertForSequenceClassification"]


def test_the_independent_test_is_judged_with_the_classes_of_all_periods(
    acclimate_command: Any, folder: Path
) -> None:
    """The new period alone has one class: its ids are not those of the head."""
    write(folder, "only.tsv", ["天气"], 24, 2)
    write(folder, "only-test.tsv", ["天气"], 12, 6)
    new = write(folder, "later.tsv", ["sport", "天气"], 12, 7)
    learnt = texts("cooking", 3, 1)  # by the earlier period
    with (folder / "later.tsv").open("a", encoding="utf-8") as file:
        file.writelines(f"{text}\tcooking\n" for text in learnt)
    recipe = RECIPE.replace("train: new.tsv", "train: only.tsv\n      independent_test: later.tsv")
    recipe = recipe.replace("test: new-test.tsv", "test: only-test.tsv") % "joint"
    recipe = recipe.replace("40 epochs", "20 epochs\n      baseline: false")
    _, found, _ = run_recipe(acclimate_command, folder, recipe)
    assert found["labels"] == ["cooking", "sport", "天气"]
    told = found["independent"]
    assert told["examples"] == len(new) == told["accounting"]["kept"]
    assert told["accounting"]["read"] == len(new) + len(learnt)
    assert sum(told["accounting"]["dropped"].values()) == len(learnt)
    assert told["test"]["macro_f1"]["value"] > 0.9


def test_an_earlier_period_does_not_learn_the_test(acclimate_command: Any, folder: Path) -> None:
    leaking = RECIPE.replace("train: old.tsv", "train: new-test.tsv") % "joint"
    (folder / "leaking.yaml").write_text(leaking, encoding="utf-8")
    ended = acclimate_command("run", "leaking.yaml", folder=folder)
    assert ended.code == 1 and "tasks.topic.before[0]: the train part is empty" in ended.err


def test_what_makes_no_sense_is_refused(acclimate_command: Any, folder: Path) -> None:
    wrong = RECIPE.replace("      before: [{train: old.tsv, test: old-test.tsv}]\n", "") % "replay"
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code and "there is nothing to keep" in ended.err + ended.out
    wrong = RECIPE.replace("keep: %s", "keep: lwf\n      regularise: [r_drop]") % ()
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code and "lwf and r_drop both take the loss apart" in ended.err + ended.out
    wrong = RECIPE.replace("keep: %s", "keep: a_gem\n      gradients: [accumulate_by_layer]") % ()
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code and "which accumulate_by_layer uses up" in ended.err + ended.out


def test_interrupted_in_a_later_period_it_is_learnt_again_to_the_same_bits(
    acclimate_command: Any, folder: Path, tmp_path: Path
) -> None:
    short = ("--set", "tasks.topic.classification.length=2 epochs")
    told = []
    for name, strikes in (("whole", []), ("torn", [{"kind": "step", "step": 15}])):  # the first period has 12
        project = tmp_path / name
        project.mkdir()
        for one in (*folder.glob("*.tsv"), folder / "text.txt"):
            (project / one.name).write_bytes(one.read_bytes())
        (project / "recipe.yaml").write_text(RECIPE % "joint", encoding="utf-8")
        for moment in strikes:
            stopped = acclimate_command(
                "run", "recipe.yaml", *short, folder=project, after=moment, number=SIGINT
            )
            assert stopped.code == 128 + SIGINT, stopped
        _, _, place = run(acclimate_command, project, "joint", *short)
        stages = sorted((place / "artifacts").glob("task-topic-*-0/*.safetensors"))
        told.append({str(one.relative_to(place)): one.read_bytes() for one in stages})
    whole, torn = told
    assert len(whole) > 4 and whole == torn
