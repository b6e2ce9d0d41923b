"""Recipes whose encoders learn by other objectives than plain masked tokens, through to a task."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModel, AutoModelForMaskedLM, ElectraForMaskedLM, ElectraForPreTraining

from acclimate.artifacts.durable import read_lines
from acclimate.batching.token_store import TokenStore

RECIPE = """\
name: objectives
seed: 3
corpus:
  sources: [{{path: documents.jsonl, text: text}}]
  split: {{validation: 15%, test: 5%, near: null}}
tokenizer: {{train: {{vocab_size: 400, least: 0%}}}}
model: {{family: {family}, size: tiny, positions: 64}}
pretrain:
  objective: {objective}
  length: 8 steps
  batch: 512 tokens
  sequence_length: 48
  checkpoint: {{every: 3 steps}}
  validate: {{every: 4 steps}}
tasks:
  topic:
    classification:
      {{train: train.tsv, test: test.tsv, text: 0, label: 1, header: false, length: 1 epochs, seeds: 1,
       sequence_length: 48, baseline: false}}
evaluate: {{intervals: {{bootstrap: {{resamples: 100}}}}}}
hardware: {{threads: 1, precision: fp32}}
"""


@pytest.fixture
def project(make_project: Any, writer: Any, tmp_path: Path) -> Any:
    """project(family, objective) → a folder with documents of several sentences, a task, and the recipe."""

    written = writer.rows(500)

    def make(family: str, objective: str, name: str = "project") -> Path:
        recipe = RECIPE.format(family=family, objective=objective)
        folder: Path = make_project(tmp_path / name, recipe=recipe, lines=10, train=30, test=20)
        rows: dict[str, list[str]] = {}
        for text, topic in written:
            rows.setdefault(topic, []).append(text)
        documents = [
            ("" if not topic.isascii() else " ").join(texts[start : start + 4])
            for topic, texts in rows.items()
            for start in range(0, len(texts), 4)
        ]
        lines = "".join(json.dumps({"text": one}, ensure_ascii=False) + "\n" for one in documents)
        (folder / "documents.jsonl").write_text(lines, "utf-8")
        return folder

    return make


def finished(acclimate_command: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told


@pytest.mark.parametrize(
    ("objective", "logged", "likelihood"),
    [
        ("nsp", ("loss_mlm", "loss_nsp", "nsp_accuracy"), True),
        ("{sop: {orders: 3, mlm: {unit: word}}}", ("loss_mlm", "loss_sop", "sop_accuracy"), True),
        ("{nsp: {mlm: null}}", ("nsp_accuracy",), False),
        ("token_type", ("token_type_accuracy",), False),
        ("{mlm: {unit: ngram, rate: 25%}}", (), True),
    ],
)
def test_bert_learns_and_is_fine_tuned(
    objective: str, logged: tuple[str, ...], likelihood: bool, project: Any, acclimate_command: Any
) -> None:
    run, told = finished(acclimate_command, project("bert", objective))
    steps = list(read_lines(run / "artifacts/pretrain/steps.jsonl"))
    assert len(steps) == 8 and all(name in step for step in steps for name in logged)
    figures = told["pretrain"]["validation"]
    assert figures["loss"] < told["pretrain"]["before"]["loss"] and ("bits_per_byte" in figures) == likelihood
    assert "topic" in told["tasks"] and (run / "report.html").is_file()
    body = AutoModel.from_pretrained(run / "model")
    if likelihood:
        _, found = AutoModelForMaskedLM.from_pretrained(run / "model", output_loading_info=True)
        assert not found["missing_keys"]
    assert body.config.model_type == "bert"


def test_marks_are_stored_only_where_they_are_asked_for(project: Any, acclimate_command: Any) -> None:
    folder = project("bert", "{mlm: {unit: word}}")
    run, _ = finished(acclimate_command, folder)
    marked = run / "artifacts/tokens"
    store = TokenStore(marked.resolve() / "train")
    assert store.mark_names == ["words"] and (marked / "train" / "marks.bin").is_file()
    shares = store.marks_at(np.arange(store.num_tokens))["words"].mean()
    assert 0.3 < shares < 0.95
    plain = (folder / "recipe.yaml").read_text("utf-8").replace("{mlm: {unit: word}}", "mlm")
    (folder / "recipe.yaml").write_text(plain, "utf-8")
    again, _ = finished(acclimate_command, folder)
    other = again / "artifacts/tokens"
    assert other.resolve() != marked.resolve() and not (other / "train" / "marks.bin").exists()
    tokens = [(one.resolve() / "train" / "tokens.bin").read_bytes() for one in (marked, other)]
    assert tokens[0] == tokens[1]


def test_drawn_tokens_have_no_marks(project: Any, acclimate_command: Any) -> None:
    folder = project("bert", "nsp")
    recipe = (folder / "recipe.yaml").read_text("utf-8")
    drawn = recipe.replace(
        "  length: 8 steps\n", "  length: 8 steps\n  segmentation: {bpe_dropout: {rate: 10%}}\n"
    )
    (folder / "recipe.yaml").write_text(drawn, "utf-8")
    ended = acclimate_command("check", "recipe.yaml", folder=folder)
    assert (
        ended.code != 0
        and "pretrain.segmentation" in ended.err
        and "where words or sentences start" in ended.err
    )


def test_a_corpus_of_one_document_is_refused_in_words(project: Any, acclimate_command: Any) -> None:
    folder = project("bert", "nsp")
    lines = (folder / "documents.jsonl").read_text("utf-8").splitlines()
    recipe = (folder / "recipe.yaml").read_text("utf-8").replace("validation: 15%", "validation: 50%")
    (folder / "recipe.yaml").write_text(recipe, "utf-8")
    (folder / "documents.jsonl").write_text("\n".join(lines[:3]), "utf-8")
    ended = acclimate_command("run", "recipe.yaml", folder=folder)
    assert ended.code != 0 and "Traceback" not in ended.err
    assert "nsp can learn from" in ended.err or "held-out text" in ended.err or "split" in ended.err


def test_electra_learns_is_resumed_and_leaves_two_plain_models(project: Any, acclimate_command: Any) -> None:
    folder = project("electra", "rtd")
    killed = acclimate_command(
        "run", "recipe.yaml", folder=folder, after={"stage": "pretrain", "kind": "step", "step": 5}
    )
    assert killed.code == -signal.SIGKILL
    run, told = finished(acclimate_command, folder)
    assert [one["step"] for one in read_lines(run / "events.jsonl") if one["kind"] == "resumed"] == [3]
    other, _ = finished(acclimate_command, project("electra", "rtd", "undisturbed"))
    names = (
        "model/model.safetensors",
        "model/generator/model.safetensors",
        "tasks/topic/model/model.safetensors",
    )
    for name in names:
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    steps = list(read_lines(run / "artifacts/pretrain/steps.jsonl"))
    wanted = {"loss_generator", "loss_discriminator", "discriminator_accuracy", "replaced"}
    assert len(steps) == 8 and all(wanted <= step.keys() for step in steps)
    assert told["pretrain"]["validation"]["loss"] < told["pretrain"]["before"]["loss"]
    discriminator = ElectraForPreTraining.from_pretrained(run / "model")
    generator = ElectraForMaskedLM.from_pretrained(run / "model" / "generator")
    shared = "electra.embeddings.word_embeddings.weight"
    assert (discriminator.get_parameter(shared) == generator.get_parameter(shared)).all()
    assert generator.config.hidden_size == discriminator.config.hidden_size // 4
