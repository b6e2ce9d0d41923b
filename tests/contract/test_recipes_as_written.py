"""What programs rely on: these recipes run as they stand, anywhere, and leave these files in these forms."""

from __future__ import annotations

import gzip
import json
import math
import os
import random
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

CONTRACT = """\
name: small
seed: 3
corpus:
  sources: [{path: text.txt, documents: line}]
  split: {validation: 2%, test: 2%}
tokenizer: {train: {algorithm: wordpiece, vocab_size: 2k}}
model: {family: bert, size: tiny}
pretrain:
  objective: mlm
  length: 400 steps
  batch: 2k tokens            # or: 32 sequences
  sequence_length: 128
  checkpoint: {every: 20 steps}
tasks:
  topic: {classification: {train: train.tsv, test: test.tsv, text: 0, label: 1, header: false}}
"""

DESIGN = """\
name: pubmed-roles
seed: 17
corpus:
  sources: [{path: data/abstracts/*.jsonl.gz, text: abstract}]
  clean: [unicode, {language: {keep: [en]}}, {quality: gopher}]
  deduplicate: {near: {threshold: 0.8}}
  split: {validation: 2%, test: 2%}
tokenizer: {train: {algorithm: wordpiece, vocab_size: 16k}}
model: {family: bert, size: mini}
pretrain:
  objective: mlm
  length: 20M tokens
  batch: 16k tokens
  optimizer: {adamw: {lr: 1e-3}}
  schedule: {linear: {warmup: 6%}}
  gradients: [{clip_norm: 1.0}]
tasks:
  role: {classification: {train: data/train.tsv, test: data/test.tsv}}
evaluate: {intervals: bootstrap}
"""
TRAININGS = {"pretrain", "task-topic-with-0", "task-topic-without-0"}
STAGES = {"examples-topic", "corpus", "tokenizer", "tokens", "figures", "evaluation-topic", *TRAININGS}


@pytest.fixture(scope="module")
def contract_run(make_project, tmp_path_factory) -> tuple[Path, Path, dict[str, Any], str]:
    """(current folder, run folder, the JSON object on standard output, standard error) of the contract's recipe."""
    place = tmp_path_factory.mktemp("elsewhere")
    project = make_project(place / "我的 data", recipe=CONTRACT, lines=1500)
    current = place / "current"
    current.mkdir()
    command = [sys.executable, "-m", "acclimate", "run", str(project / "recipe.yaml"), "--json"]
    command += ["--set", "pretrain.length=40 steps", "--set", "tasks.topic.classification.seeds=1"]
    ended = subprocess.run(
        command,
        cwd=current,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)  # one JSON object and nothing else
    return current, current / told["run"], told, ended.stderr


def test_the_run_folder_stands_under_the_current_folder(contract_run) -> None:
    current, run, told, said = contract_run
    assert run.parent == current / "runs" / "small"
    assert re.fullmatch(r"20\d{6}-\d{6}-[0-9a-f]{8}", run.name)
    assert run.name.endswith(told["recipe_digest"][:8])
    assert (current / "runs/small/latest").resolve() == run.resolve()
    for name in ("recipe.resolved.yaml", "events.jsonl", "metrics.json", "report.html"):
        assert (run / name).is_file(), name
    for folder in ("model", "tasks/topic/model"):
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            assert (run / folder / name).is_file(), (folder, name)
    assert all((run / "artifacts" / name / "manifest.json").is_file() for name in STAGES)
    assert json.loads((run / "metrics.json").read_text("utf-8")) == told
    assert "pretrain: done in" in said and "bits per byte" in said


def test_events_have_their_fields(contract_run) -> None:
    _, run, told, _ = contract_run
    events = [json.loads(line) for line in (run / "events.jsonl").read_text("utf-8").splitlines()]
    for event in events:
        assert {"time", "stage", "kind"} <= event.keys()
        datetime.fromisoformat(event["time"])
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    steps = [event for event in events if (event["stage"], event["kind"]) == ("pretrain", "step")]
    assert [event["step"] for event in steps] == list(range(1, 41))
    assert all(event["loss"] > 0 and event["seconds"] > 0 for event in steps)
    assert {event["stage"] for event in events if event["kind"] == "step"} == TRAININGS
    assert [event["step"] for event in events if event["kind"] == "checkpoint"] == [20, 40]

    # Real tokens: what an epoch holds is the text's tokens and two special ones for each line, no padding.
    counts = json.loads((run / "artifacts/tokens/counts.json").read_text("utf-8"))["train"]
    epoch = counts["tokens"] + 2 * counts["documents"]
    total = sum(event["tokens"] for event in steps)
    assert all(isinstance(event["tokens"], int) and 1900 <= event["tokens"] <= 2000 for event in steps)
    assert total == told["pretrain"]["tokens"]
    assert total / epoch == pytest.approx(told["pretrain"]["epochs"], rel=0.01)
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.5


def test_metrics_have_their_forms(contract_run) -> None:
    _, _, told, _ = contract_run
    validation = told["pretrain"]["validation"]
    assert {"loss", "perplexity", "bits_per_byte"} <= validation.keys()
    assert validation["perplexity"] == pytest.approx(math.exp(validation["loss"]))
    assert validation["bits_per_byte"] < told["pretrain"]["before"]["bits_per_byte"]
    (task,) = told["tasks"].values()
    assert {"accuracy", "macro_f1", "micro_f1", "macro_precision", "macro_recall", "auc"} <= task[
        "test"
    ].keys()
    for figure in task["test"].values():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    verdict = task["verdict"]
    assert {"metric", "with", "without", "difference", "low", "high", "seeds"} <= verdict.keys()
    assert verdict["metric"] == "macro_f1" and verdict["seeds"] == 1
    assert verdict["difference"] == pytest.approx(verdict["with"] - verdict["without"])
    assert set(told["stages"]) == STAGES
    for cost in told["stages"].values():
        assert cost["seconds"] > 0 and cost["peak_memory_bytes"] > 10**7 and cost["skipped"] is False


def test_the_resolved_recipe_is_the_same_recipe(contract_run, acclimate_command) -> None:
    current, run, _, _ = contract_run
    again = acclimate_command("run", str(run / "recipe.resolved.yaml"), "--json", folder=current)
    assert again.code == 0, again.err
    assert all(cost["skipped"] for cost in again.told["stages"].values())
    assert again.told["recipe_digest"] == contract_run[2]["recipe_digest"]
    assert (
        (current / "runs/small/latest").resolve() == (current / again.told["run"]).resolve() != run.resolve()
    )


def _abstract(chance: random.Random, terms: list[str]) -> str:
    """Prose of 150 words in which no run of words comes twice."""
    small = [
        "the",
        "of",
        "and",
        "with",
        "that",
        "which",
        "was",
        "have",
        "this",
        "from",
        "between",
        "after",
        "for",
    ]
    words = [
        chance.choice(terms) if number % 2 else chance.choice(small)
        for number in range(chance.randint(130, 170))
    ]
    return " ".join(words).capitalize() + "."


def _term(chance: random.Random) -> str:
    stem = "".join(
        chance.choice("bcdfghklmnprstw") + chance.choice("aeiouy") for _ in range(chance.randint(2, 3))
    )
    return stem + chance.choice(["ing", "tion", "ment", "ness", "ly", "ght", "sh", "ck", "ed"])


def write_abstracts(folder: Path) -> None:
    """Abstracts in two gzipped files: good ones, and one for each reason to drop a document."""
    chance = random.Random(5)
    terms = sorted({_term(chance) for _ in range(14_000)})
    good = [_abstract(chance, terms) for _ in range(500)]
    short = "The study of salt was small and of no use to the patients that we have seen."
    chinese = (
        "我们研究了这种药物对患者的影响，结果表明治疗组与对照组之间有显著差异，因此建议在临床上使用。" * 4
    )
    near = good[0].replace(good[0].split()[40], "thought", 1)
    listing = "\n".join(f"- the {term} and of {term}" for term in terms[:80])
    files = {"a": [*good[:300], good[3], near, chinese], "b": [*good[300:], short, listing]}
    (folder / "abstracts").mkdir(parents=True)
    for name, texts in files.items():
        lines = [json.dumps({"id": number, "abstract": text}) for number, text in enumerate(texts)]
        (folder / "abstracts" / f"{name}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def test_the_recipe_of_the_design_runs(acclimate_command, writer, tmp_path) -> None:
    data = tmp_path / "data"
    write_abstracts(data)
    for name, number in (("train", 60), ("test", 30)):
        rows = [f"{text}\t{label}\n" for text, label in writer.rows(number)]
        (data / f"{name}.tsv").write_text("text\tlabel\n" + "".join(rows), "utf-8")
    (tmp_path / "design.yaml").write_text(DESIGN, "utf-8")
    shorter = ["pretrain.length=2 steps", "pretrain.batch=2k tokens", "hardware.threads=1"]
    shorter += ["tasks.role.classification.length=1 epochs", "tasks.role.classification.seeds=1"]
    sets = [part for one in shorter for part in ("--set", one)]
    ended = acclimate_command("run", "design.yaml", "--json", *sets, folder=tmp_path)
    assert ended.code == 0, ended.err
    run = tmp_path / ended.told["run"]
    statistics = json.loads((run / "artifacts/corpus/statistics.json").read_text("utf-8"))
    assert statistics["read"] == 505 == statistics["kept"] + sum(statistics["dropped"].values())
    assert statistics["dropped"] == {
        "exact_duplicate": 1,
        "language": 1,
        "near_duplicate": 1,
        "quality:bullets": 1,
        "quality:too_few_words": 1,
    }
    config = json.loads((run / "model/config.json").read_text("utf-8"))
    assert 12_000 < config["vocab_size"] <= 16_000 and config["hidden_size"] == 256
    assert set(ended.told["tasks"]["role"]["test"]) >= {"macro_f1", "auc"}
