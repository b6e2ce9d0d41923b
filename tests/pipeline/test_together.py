"""Tasks of a recipe learnt in one training: each is judged and delivered as ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

RECIPE = """\
name: shared
corpus: {sources: [{path: text.txt, documents: line}]}
tokenizer: {train: {vocab_size: 400, least: 0%}}
model: {family: bert, size: tiny, positions: 128}
tasks:
  topic: {classification: {train: train.tsv, test: test.tsv, header: false, text: 0, label: 1, seeds: 2}}
  again:
    classification: {train: train.tsv, test: test.tsv, header: false, text: 0, label: 1, seeds: 2, metric: accuracy}
together: {length: 6 epochs, optimizer: {adamw: {lr: 2e-3}}}
evaluate: {intervals: {bootstrap: {resamples: 100}}}
hardware: {threads: 1, precision: fp32}
"""


@pytest.fixture(scope="module")
def folder(make_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = make_project(tmp_path_factory.mktemp("together"), recipe=RECIPE, lines=200)
    return place


def test_every_task_is_judged_and_delivered(acclimate_command: Any, folder: Path) -> None:
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    place = folder / ended.told["run"]
    assert {"together-without-0", "together-without-1"} <= set(ended.told["stages"])
    for name in ("topic", "again"):
        assert ended.told["tasks"][name]["test"]["accuracy"]["value"] > 0.6
        config = json.loads((place / f"tasks/{name}/model/config.json").read_text("utf-8"))
        assert config["architectures"] == ["BertForSequenceClassification"]
    once_more = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert all(one["skipped"] for one in once_more.told["stages"].values())


def test_the_embedding_alone_can_be_shared(acclimate_command: Any, folder: Path) -> None:
    ended = acclimate_command(
        "run", "recipe.yaml", "--json", "--set", "together.share=embeddings", "--set", "together.length=2 epochs",
        folder=folder,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    models = [
        folder / ended.told["run"] / f"tasks/{name}/model/model.safetensors" for name in ("topic", "again")
    ]
    tables = ("bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.dense.weight")
    (table, layer), (other, body) = ([load_file(one)[name] for name in tables] for one in models)
    assert table.shape == other.shape and layer.shape == body.shape and (layer != body).any()
    (folder / "wrong.yaml").write_text(
        RECIPE.replace("length: 6", "share: embeddings, length: 6").replace(
            "family: bert, size: tiny, positions: 128", "family: elmo"
        ),
        "utf-8",
    )
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code == 2 and "have no table of tokens to share" in ended.err + ended.out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("together: {tasks: [topic]", "takes two tasks or more"),
        ("together: {tasks: [topic, agian]", "did you mean 'again'"),
        ("together: {weights: {topc: 1}", "did you mean 'topic'"),
        ("together: {weights: {topic: -1}", "expected 0 or more"),
        ("together: {alpha: 2", "expected at most 1.0"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    acclimate_command: Any, folder: Path, change: str, words: str
) -> None:
    (folder / "wrong.yaml").write_text(RECIPE.replace("together: {length: 6 epochs", change), "utf-8")
    ended = acclimate_command("check", "wrong.yaml", folder=folder)
    assert ended.code == 2 and words in ended.err + ended.out
