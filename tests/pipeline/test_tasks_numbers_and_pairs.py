"""Tasks about numbers, pairs, vectors and choices through one run: figures, verdicts, models that plain Transformers
loads, and an independent test for a head of ours."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

RECIPE = """\
name: many
seed: 5
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
pretrain: {objective: mlm, length: 3 steps, batch: 512 tokens, sequence_length: 32}
tasks:
  likeness:
    regression: {data: {path: scored.jsonl}, pair: pair, seeds: 1, length: 1 epochs, sequence_length: 64}
  says:
    pairs: {train: scored.jsonl, test: more.jsonl, independent_test: fresh.jsonl, encoder: bi, label: label,
            seeds: 1, length: 1 epochs, sequence_length: 32, baseline: false}
  vectors:
    embedding: {data: {path: scored.jsonl}, learn: softmax, label: label, seeds: 1, length: 1 epochs,
                sequence_length: 32, vector: {layers: 2}}
  found:
    matching: {data: {path: scored.jsonl}, label: match, encoder: bi, candidates: all, seeds: 2, length: 1 epochs,
               sequence_length: 32, baseline: false}
  topics:
    clustering: {data: {path: scored.jsonl}, seeds: 2, sequence_length: 32}
  reading:
    multiple_choice: {data: {path: asked.jsonl}, seeds: 1, length: 1 epochs, sequence_length: 48, cut: start}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""


@pytest.fixture(scope="module")
def many(
    acclimate_command: Any, make_project: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """(run folder, metrics)"""
    folder: Path = make_project(tmp_path_factory.mktemp("many"), recipe=RECIPE, lines=200)
    lines = [
        line.split("\t")
        for name in ("train", "test")
        for line in (folder / f"{name}.tsv").read_text("utf-8").splitlines()
    ]
    chance = random.Random(2)

    def pair(number: int) -> dict[str, Any]:
        (text, topic), (other, second) = chance.choice(lines), chance.choice(lines)
        same = topic == second
        score = chance.randint(4, 5) if same else chance.randint(0, 3)
        about = {"label": topic, "match": str(int(same)), "score": score}
        return {"text": f"{text} {number}", "pair": other, **about}

    def asked(number: int) -> dict[str, Any]:
        text, topic = chance.choice(lines)
        choices = sorted({one for _, one in lines})[: 2 + number % 2]
        label = choices.index(topic) if topic in choices else 0
        return {"context": f"{text} {number}", "question": "主题?", "choices": choices, "label": label}

    for name, rows in (
        ("scored", [pair(n) for n in range(90)]),
        ("more", [pair(n) for n in range(100, 130)]),
        ("fresh", [pair(n) for n in range(200, 220)]),
        ("asked", [asked(n) for n in range(60)]),
    ):
        said = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
        (folder / f"{name}.jsonl").write_text(said, "utf-8")
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


def evaluation(run: Path, name: str) -> dict[str, Any]:
    return json.loads((run / f"artifacts/evaluation-{name}/evaluation.json").read_text("utf-8"))


def test_every_task_has_its_figures_and_is_shown(many) -> None:
    run, metrics = many
    expected = {
        "likeness": {"spearman", "pearson", "r2"},
        "says": {"accuracy", "macro_f1", "mcc"},
        "vectors": {"spearman", "pearson"},
        "found": {"mrr", "recall_at_1", "recall_at_5", "accuracy", "f1", "auc"},
        "topics": {"nmi", "ari"},
        "reading": {"accuracy"},
    }
    for name, names in expected.items():
        told = evaluation(run, name)
        assert set(told["test"]) | {note.split()[0].lower() for note in told["notes"]} >= names - {
            "mcc",
            "auc",
        }
        assert told["examples"] and told["examples"][0]["text"]
        assert set(metrics["tasks"][name]["test"]) == set(told["test"])
        assert (told["verdict"] is None) == (name in ("says", "found"))
    assert len(evaluation(run, "topics")["per_seed"]["with"]) == 2
    assert evaluation(run, "topics")["outcomes"][0]["steps"] == 0
    assert (run / "report.html").is_file()


def test_numbers_are_given_in_their_own_unit_once(many) -> None:
    run, _ = many
    told = evaluation(run, "likeness")
    found = [(float(one["label"]), float(one["predicted"])) for one in told["examples"]]
    truth, predicted = zip(*found, strict=True)
    # After so short a training all are near the mean of those learnt from; done twice, the unit would be 3 off.
    assert abs(sum(predicted) / len(found) - sum(truth) / len(found)) < 1.2


def test_a_head_of_ours_is_there_again_for_the_independent_test(many) -> None:
    run, _ = many
    told = evaluation(run, "says")
    assert told["independent"]["examples"] == 20
    assert set(told["independent"]["test"]) == set(told["test"])


def test_plain_transformers_loads_what_is_delivered(many) -> None:
    from transformers import (
        AutoModel,
        AutoModelForMultipleChoice,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    run, _ = many
    loaded = {
        "likeness": AutoModelForSequenceClassification,
        "says": AutoModel,
        "vectors": AutoModel,
        "found": AutoModel,
        "topics": AutoModel,
        "reading": AutoModelForMultipleChoice,
    }
    for name, loader in loaded.items():
        folder = run / "tasks" / name / "model"
        model = loader.from_pretrained(folder)
        assert AutoTokenizer.from_pretrained(folder)("一句话")["input_ids"]
        assert (folder / "README.md").is_file()
        if loader is AutoModel:
            assert model.config.sentence_vector["pooling"] == "mean"
    assert model.config.num_labels == 1
    assert (run / "tasks/found/model/1_Pooling/config.json").is_file()
    assert not (run / "tasks/vectors/model/modules.json").exists()  # it has no pooling of two layers
