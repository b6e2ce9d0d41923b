"""Recipes that learn vectors of sentences, from pairs or from the corpus alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModel

from acclimate.artifacts.durable import read_lines
from acclimate.models.loading import load_model

RECIPE = """\
name: vectors
seed: 3
corpus: {{sources: [{{path: text.txt, documents: line}}], split: {{validation: 15%, test: 0%, near: null}}}}
tokenizer: {{train: {{vocab_size: 400, least: 0%}}}}
model: {model}
pretrain:
  objective: {objective}
  length: 6 steps
  batch: 16 sequences
  sequence_length: 32
  optimizer: {{adamw: {{lr: 2e-3}}}}
  checkpoint: {{every: 3 steps}}
hardware: {{threads: 1, precision: fp32}}
"""
FRESH = "{family: bert, size: tiny, positions: 32}"


@pytest.fixture
def project(make_project: Any, writer: Any, tmp_path: Path) -> Any:
    """project(objective) → a folder with a corpus, pairs.tsv (text, pair, score, topic), and the recipe."""

    def make(objective: str, model: str = FRESH, name: str = "project") -> Path:
        recipe = RECIPE.format(objective=objective, model=model)
        folder: Path = make_project(tmp_path / name, recipe=recipe, lines=60, train=10, test=10)
        rows = ["text\tpair\tscore\ttopic"]
        for n, ((text, topic), (other, second)) in enumerate(
            zip(writer.rows(90), writer.rows(90), strict=True)
        ):
            score = "none" if n == 7 else "5" if topic == second else "1"
            rows.append(f"{text}\t{other}\t{score}\t{'' if n == 9 else topic}")
        (folder / "pairs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        return folder

    return make


def finished(acclimate_command: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


PAIRS = "pairs: pairs.tsv, source: text, split: {validation: 30%}"


@pytest.mark.parametrize(
    ("objective", "dropped"),
    [
        (f"{{ranking: {{{PAIRS}, target: pair}}}}", {}),
        (f"{{contrastive: {{{PAIRS}, label: topic}}}}", {"no_mark": 1}),
        (f"{{softmax_pairs: {{{PAIRS}, target: pair, label: score, labels: ['5', '1']}}}}", {"no_mark": 1}),
        (f"{{cosine_pairs: {{{PAIRS}, target: pair}}}}", {"no_mark": 1}),
    ],
)
def test_pairs_are_learnt_from(
    objective: str, dropped: dict[str, int], project: Any, acclimate_command: Any
) -> None:
    run, told = finished(acclimate_command, project(objective))
    steps = list(read_lines(run / "artifacts/pretrain/steps.jsonl"))
    assert len(steps) == 6 and all(step["loss"] > 0 for step in steps)
    figures = told["pretrain"]["validation"]
    assert 0 < figures["loss"] != told["pretrain"]["before"]["loss"] and "bits_per_byte" not in figures
    (booked,) = [
        event
        for event in read_lines(run / "events.jsonl")
        if event["kind"] == "accounting" and event["stage"] == "material"
    ]
    assert booked["read"] == 90 == booked["kept"] + sum(booked["dropped"].values())
    assert {name: booked["dropped"].get(name) for name in dropped} == dropped
    AutoModel.from_pretrained(run / "model")
    told_at_load: list[str] = []
    load_model(run / "model", "encoder", warn=told_at_load.append)
    assert ["pair_classifier (2 weights)" in one for one in told_at_load] == [True] * ("softmax" in objective)


def test_the_corpus_is_enough_and_the_checkpoint_s_unused_head_is_told(
    project: Any, acclimate_command: Any
) -> None:
    run, _ = finished(acclimate_command, project("nsp", name="first"))
    folder = project("ranking", model=f"{{family: bert, checkpoint: {run / 'model'}}}", name="second")
    recipe = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(
        recipe.replace("tokenizer: {train: {vocab_size: 400, least: 0%}}\n", "")
    )
    run, told = finished(acclimate_command, folder)
    (warning,) = [event for event in read_lines(run / "events.jsonl") if event["kind"] == "warning"]
    assert (
        warning["stage"] == "pretrain"
        and "not used, as the model has no place for it: cls." in warning["message"]
    )
    assert "cls.seq_relationship (2 weights)" in warning["message"]
    page = (run / "report.html").read_text("utf-8")
    assert '<section id="warnings">' in page and "cls.seq_relationship (2 weights)" in page
    assert told["pretrain"]["validation"]["loss"] < told["pretrain"]["before"]["loss"]
