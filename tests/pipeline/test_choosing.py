"""A recipe that chooses its corpus and makes examples, from the text to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

RECIPE = """\
name: choosing
seed: 5
corpus:
  sources: [{path: text.txt, documents: line}, {path: more.txt, documents: line}]
  select: {dsir: {task: topic, keep: 80%}}
  sample: 90%
  mix: {alpha: 0.5}
  distances: {sample: 20k}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
pretrain:
  {length: 8 steps, batch: 512 tokens, sequence_length: 48, curriculum: {over: 50 sequences}}
tasks:
  topic:
    classification:
      {train: train.tsv, test: test.tsv, text: 0, label: 1, header: false, length: 1 epochs, seeds: 1, baseline: false,
       sequence_length: 48, independent_test: later.tsv, augment: [{eda: {copies: 2}}, {crop: {least: 60%}}]}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1}
"""


@pytest.fixture(scope="module")
def run(
    acclimate_command: Any, make_project: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """(project folder, run folder)"""
    folder: Path = make_project(tmp_path_factory.mktemp("choosing"), recipe=RECIPE)
    more = [line.split("\t")[0] for line in (folder / "train.tsv").read_text("utf-8").splitlines()]
    (folder / "more.txt").write_text("\n".join(f"{line} again" for line in more[:60]), "utf-8")
    later = [
        line.replace("\t", " so far\t")
        for line in (folder / "train.tsv").read_text("utf-8").splitlines()[:30]
    ]
    later.append((folder / "test.tsv").read_text("utf-8").splitlines()[0])
    (folder / "later.tsv").write_text("\n".join(later), "utf-8")
    with (folder / "text.txt").open("a", encoding="utf-8") as file:
        file.write(later[0].split("\t")[0] + "\n")
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder, folder / ended.told["run"]


def test_the_corpus_is_chosen_and_the_books_are_exact(run: tuple[Path, Path]) -> None:
    statistics = json.loads((run[1] / "artifacts/corpus/statistics.json").read_text("utf-8"))
    assert statistics["read"] == statistics["kept"] + sum(statistics["dropped"].values())
    assert {"not_selected", "not_sampled", "over_share"} <= set(statistics["dropped"])
    assert statistics["repeated"] == sum(one["repeated"] for one in statistics["steps"]["mix"]["sources"]) > 0
    assert [one["name"] for one in statistics["steps"]["distances"]["groups"]] == [
        "text.txt",
        "more.txt",
        "topic",
    ]


def test_training_learns_from_made_examples_and_the_test_has_none(run: tuple[Path, Path]) -> None:
    artifacts = run[1] / "artifacts"
    told = json.loads((artifacts / "augmented-topic/statistics.json").read_text("utf-8"))["augmented"]
    train = pq.read_table(artifacts / "augmented-topic/train.parquet")
    assert train.num_rows == told["with_new"] > 2 * told["examples"]
    steps = [
        json.loads(line) for line in (artifacts / "task-topic-with-0/steps.jsonl").read_text().splitlines()
    ]
    assert len(steps) == -(-train.num_rows // 32)
    for part in ("validation", "test"):
        assert not any(
            "#" in one
            for one in pq.read_table(artifacts / f"examples-topic/{part}.parquet")["id"].to_pylist()
        )


def test_the_independent_test_is_opened_once_by_the_evaluation(run: tuple[Path, Path]) -> None:
    events = [json.loads(line) for line in (run[1] / "events.jsonl").read_text("utf-8").splitlines()]
    (opened,) = [one for one in events if one["kind"] == "independent_test"]
    assert opened["stage"] == "evaluation-topic" and opened["examples"] == 30
    order = [(one["stage"], one["kind"]) for one in events]
    last_training = max(n for n, one in enumerate(order) if one[0].startswith("task-"))
    assert order.index(("evaluation-topic", "independent_test")) > last_training
    told = json.loads((run[1] / "artifacts/evaluation-topic/evaluation.json").read_text("utf-8"))[
        "independent"
    ]
    assert told["accounting"] == {"read": 31, "kept": 30, "dropped": {"in_test": 1}}
    assert 0 <= told["test"]["macro_f1"]["value"] <= 1 and told["test"]["accuracy"]["low"] is not None
    # When it was opened stands in no artifact, or a second run would not be the same.
    assert opened["time"] not in (run[1] / "artifacts/evaluation-topic/evaluation.json").read_text("utf-8")
    page = (run[1] / "report.html").read_text("utf-8")
    assert f"Opened once, on {opened['time'][:10]} {opened['time'][11:16]} UTC" in page


def test_its_texts_are_kept_out_of_the_corpus(run: tuple[Path, Path]) -> None:
    later = {line.split("\t")[0] for line in (run[0] / "later.tsv").read_text("utf-8").splitlines()}
    corpus = run[1] / "artifacts/corpus/documents"
    texts = set().union(*(pq.read_table(path)["text"].to_pylist() for path in corpus.rglob("*.parquet")))
    assert later & set((run[0] / "text.txt").read_text("utf-8").splitlines()) and not later & texts


def test_a_curriculum_begins_with_what_is_easy(run: tuple[Path, Path]) -> None:
    steps = [
        json.loads(line) for line in (run[1] / "artifacts/pretrain/steps.jsonl").read_text().splitlines()
    ]
    outcome = json.loads((run[1] / "artifacts/pretrain/outcome.json").read_text())
    assert len(steps) == outcome["steps"] == 8 and outcome["tokens"] == sum(one["tokens"] for one in steps)


def test_the_report_shows_it(run: tuple[Path, Path]) -> None:
    page = (run[1] / "report.html").read_text("utf-8")
    for words in ("dsir kept", "<h3>Mix</h3>", "Jensen–Shannon", "topic (task)", "made by"):
        assert words in page, words


def test_a_second_run_makes_nothing_anew(run: tuple[Path, Path], acclimate_command: Any) -> None:
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=run[0])
    assert ended.code == 0, ended.err
    assert all(stage["skipped"] for stage in ended.told["stages"].values())
    page = (run[0] / ended.told["report"]).read_text("utf-8")
    assert "Not opened in this run" in page


def test_an_unknown_task_and_an_unweighed_source_are_told_before_anything_runs(
    run: tuple[Path, Path], acclimate_command: Any
) -> None:
    ended = acclimate_command(
        "check", "recipe.yaml", "--set", "corpus.select.dsir.task=topics",
        "--set", 'corpus.mix={"weights": {"text.txt": 1}}', folder=run[0],
    )  # fmt: skip
    assert ended.code == 2
    said = ended.err + ended.out
    assert (
        "there is no task 'topics'; did you mean 'topic'" in said
        and "the source 'more.txt' has no weight" in said
    )
