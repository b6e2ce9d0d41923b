"""Tasks on tokens and spans through a run: data, figures, delivered models, what serving says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RECIPE = """\
name: reading
seed: 5
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 64}
tasks:
  names:
    ner: {data: {path: names.jsonl}, crf: true, nested: true, seeds: 1, length: 3 epochs, batch: 8 sequences,
          sequence_length: 24,
          optimizer: {adamw: {lr: 2e-3}}}
  answers:
    qa: {train: {squad: train.json}, test: {squad: test.json}, seeds: 1, length: 2 epochs, sequence_length: 48,
         overlap: 8, optimizer: {adamw: {lr: 2e-3}}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""
PEOPLE = ["Ann", "Bob", "王明", "李雷"]
PLACES = ["Rome", "Oslo", "北京", "上海"]


def passage(rng: np.random.Generator, number: int) -> tuple[str, str, str]:
    """(text, who, where)"""
    who, where = str(rng.choice(PEOPLE)), str(rng.choice(PLACES))
    words = " ".join(rng.choice(["then", "and", "so", "天气", "很好", f"n{number}"], 25))
    return f"{words} {who} lives in {where} now", who, where


def write(folder: Path) -> None:
    rng = np.random.default_rng(1)
    lines, parts = [], {}
    for part, number in (("train", 60), ("test", 12)):
        paragraphs = []
        for n in range(number):
            text, who, where = passage(rng, n + 100 * (part == "test"))
            place = text.rindex(where)
            entities = [
                [text.index(who), text.index(who) + len(who), "person"],
                [place, place + len(where), "place"],
            ]
            entities.append([text.index(who), place + len(where), "fact"])
            lines.append(json.dumps({"text": text, "entities": entities}, ensure_ascii=False))
            qas = [
                {
                    "id": f"{part}{n}",
                    "question": "where?",
                    "answers": [{"text": where, "answer_start": place}],
                }
            ]
            paragraphs.append({"context": text, "qas": qas})
        parts[part] = {"data": [{"title": "t", "paragraphs": paragraphs}]}
        (folder / f"{part}.json").write_text(json.dumps(parts[part]), "utf-8")
    (folder / "names.jsonl").write_text("\n".join(lines), "utf-8")


@pytest.fixture(scope="module")
def reading(
    acclimate_command: Any, make_project: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    folder: Path = make_project(tmp_path_factory.mktemp("reading"), recipe=RECIPE, lines=200)
    write(folder)
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


def test_spans_and_answers_are_learnt_and_judged(reading: tuple[Path, dict[str, Any]]) -> None:
    run, told = reading
    names, answers = (
        json.loads((run / f"artifacts/evaluation-{name}/evaluation.json").read_text("utf-8"))
        for name in ("names", "answers")
    )
    assert names["labels"] == ["fact", "person", "place"] and names["kind"] == "ner"
    assert 0 <= told["tasks"]["names"]["test"]["micro_f1"]["value"] <= 1
    assert sum(one["support"] for one in names["per_class"]) == 3 * names["class_counts"]["test"]["fact"]
    assert names["examples"] and all(isinstance(one["label"], list) for one in names["examples"])
    assert answers["kind"] == "qa" and answers["judge"] == "squad"
    assert 0 <= told["tasks"]["answers"]["test"]["exact_match"]["value"] <= 1
    assert answers["questions"] == {"answerable": 12, "impossible": 0}
    assert {one["text"] for one in answers["examples"]} == {"where?"}
    assert (run / "report.html").read_text("utf-8").count("where?") > 3


def test_the_models_are_what_plain_programs_load(reading: tuple[Path, dict[str, Any]]) -> None:
    from safetensors import safe_open
    from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification

    run, _ = reading
    with safe_open(run / "tasks/names/model/model.safetensors", "np") as weights:
        assert weights.get_tensor("crf.transitions").shape == (3, 3, 3)
    tagger = AutoModelForTokenClassification.from_pretrained(run / "tasks/names/model")
    assert tagger.config.id2label[4] == "B-person" and tagger.config.num_labels == 9
    assert AutoModelForQuestionAnswering.from_pretrained(run / "tasks/answers/model").config.num_labels == 2


def test_serving_says_what_it_does_not_serve(
    reading: tuple[Path, dict[str, Any]], acclimate_command: Any
) -> None:
    ended = acclimate_command("export", str(reading[0]), "--to", "exported", folder=reading[0].parent)
    assert ended.code != 0 and "Traceback" not in ended.err
    assert "is not served" in ended.err and "BertFor" in ended.err
