"""Tasks of every kind through a run: their data, arms, seeds and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest


def evaluation(run: Path, name: str) -> dict[str, Any]:
    return json.loads((run / f"artifacts/evaluation-{name}/evaluation.json").read_text("utf-8"))


def test_pairs_and_several_labels_are_learnt_and_judged(several) -> None:
    run, metrics = several
    same, tags = evaluation(run, "same"), evaluation(run, "tags")
    assert (same["labels"], same["multi_label"]) == (["no", "yes"], False)
    assert (tags["labels"], tags["multi_label"]) == (["cooking", "sport", "天气"], True)
    assert (
        same["arms"] == tags["arms"] == ["without"]
    )  # nothing was pretrained, so there is nothing to compare
    assert len(same["outcomes"]) == 2 and len(tags["outcomes"]) == 1
    assert metrics["tasks"]["tags"]["test"]["micro_f1"]["value"] > 0.6
    assert all(" ⟷ " in example["text"] for example in same["examples"])
    for name in ("same", "tags"):
        told = metrics["tasks"][name]
        assert told["verdict"] is None and told["baseline_test"] is None
        assert "pretrain" not in metrics and not (run / "model").exists()
        counts = evaluation(run, name)["class_counts"]
        assert all(number > 0 for part in ("train", "test") for number in counts[part].values())


def test_no_text_of_a_task_s_test_is_in_the_corpus(finished_project) -> None:
    corpus, examples = finished_project.artifact("corpus"), finished_project.artifact("examples-topic")

    def texts(path: Path) -> set[str]:
        return set(pyarrow.parquet.read_table(path, columns=["text"])["text"].to_pylist())

    held_out = texts(examples / "test.parquet") | texts(examples / "validation.parquet")
    documents = set().union(
        *(
            texts(corpus / "documents" / split / "part-00000.parquet")
            for split in ("train", "validation", "test")
        )
    )
    assert len(held_out) > 40 and not held_out & documents


@pytest.fixture
def with_leak(acclimate_command, make_project, tmp_path) -> dict[str, Any]:
    """A run whose corpus holds ten of the task's test texts; its task is trained with pretraining only."""
    folder = make_project(tmp_path / "leak")
    tests = [line.split("\t")[0] for line in (folder / "test.tsv").read_text("utf-8").splitlines()]
    with (folder / "text.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"{text}\n" for text in tests[:10])
    ended = acclimate_command(
        "run", "recipe.yaml", "--json", "--set", "tasks.topic.classification.baseline=false",
        "--set", "pretrain.length=2 steps", "--set", "tasks.topic.classification.class_weights=balanced",
        folder=folder,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return {**ended.told, "folder": folder / ended.told["run"]}


def test_leaks_are_dropped_and_a_baseline_can_be_left_out(with_leak) -> None:
    statistics = json.loads((with_leak["folder"] / "artifacts/corpus/statistics.json").read_text("utf-8"))
    assert statistics["dropped"]["in_task"] == 10
    stages = set(with_leak["stages"])
    assert "task-topic-with-0" in stages and "task-topic-without-0" not in stages
    assert with_leak["tasks"]["topic"]["verdict"] is None
    assert with_leak["tasks"]["topic"]["delivered"] == "task-topic-with-0"


def test_a_verdict_compares_the_arms(finished_project) -> None:
    found = evaluation(finished_project.run, "topic")
    verdict, per_seed = found["verdict"], found["per_seed"]
    assert found["arms"] == ["with", "without"]
    assert len(per_seed["with"]) == len(per_seed["without"]) == verdict["seeds"] == 1
    assert verdict["with"] == pytest.approx(found["test"]["macro_f1"]["value"])
    assert verdict["without"] == pytest.approx(found["baseline_test"]["macro_f1"]["value"])
    assert sum(map(sum, found["confusion"])) == 48
    steps = {
        arm: (finished_project.artifact(f"task-topic-{arm}-0") / "steps.jsonl").read_text()
        for arm in ("with", "without")
    }
    assert steps["with"] != steps["without"]
    assert (finished_project.artifact("task-topic-with-0") / "model").exists()
    assert not (finished_project.artifact("task-topic-without-0") / "model").exists()
