"""What leaves a run is loaded by plain Transformers, in a process that knows nothing of Acclimate, to equal outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from acclimate.batching.packed import pack
from acclimate.batching.sequence_store import ExampleStore, WindowStore
from acclimate.batching.token_store import TokenStore
from acclimate.engine.measure import measure
from acclimate.models.forward import class_logits, encode, token_logits
from acclimate.models.loading import load_model
from acclimate.objectives.mlm import Mlm
from acclimate.recipe.units import Length
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.tokenizer.template import boundaries
from acclimate.transfer.examples.preparing import read_examples

torch.set_num_threads(1)
PLAIN = """
import json, sys
import torch
from safetensors.torch import save_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

torch.set_num_threads(1)
models, texts, pairs, place = json.loads(sys.argv[1])
found = {}
for name, (folder, kind) in models.items():
    tokenizer = AutoTokenizer.from_pretrained(folder)
    auto = AutoModelForMaskedLM if kind == "mlm" else AutoModelForSequenceClassification
    model, loading = auto.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
    model.eval()
    inputs = tokenizer(texts, pairs if kind == "pair" else None, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits
    found[name] = logits[inputs["attention_mask"].bool()] if kind == "mlm" else logits
save_file({name: one.contiguous() for name, one in found.items()}, place)
assert not [name for name in sys.modules if name.split(".")[0] == "acclimate"]
"""


@pytest.fixture(scope="module")
def models(finished_project, several) -> dict[str, tuple[Path, str]]:
    """name → (folder, kind)"""
    run, _ = several
    return {
        "language": (finished_project.run / "model", "mlm"),
        "topic": (finished_project.run / "tasks/topic/model", "single"),
        "same": (run / "tasks/same/model", "pair"),
        "tags": (run / "tasks/tags/model", "single"),
    }


LENGTHS = {"language": 48, "topic": 48, "same": 64, "tags": 64}
"""What was trained and judged, in tokens."""


def ours(folder: Path, kind: str, length: int, texts: list[str], pairs: list[str]) -> np.ndarray:
    """The packed forward that was trained and judged: all texts in one row."""
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, "mlm" if kind == "mlm" else "classification").eval()
    store = ExampleStore.from_texts(texts, pairs if kind == "pair" else None, tokenizer, length)
    ids, nothing = np.arange(len(texts)), np.zeros(0, np.int64)
    batch = pack(store.fetch(ids, np.zeros_like(ids)), target_positions=nothing, targets=nothing)
    with torch.inference_mode():
        if kind == "mlm":
            return token_logits(model, encode(model, batch)).numpy()
        return class_logits(model, batch).numpy()


def test_plain_transformers_gives_what_we_trained(models, writer, tmp_path) -> None:
    texts = [text for text, _ in writer.rows(8)] + ["x", "明天", "the oven " * 200]
    pairs = [text for text, _ in writer.rows(8)] + ["雨", "y", "goal " * 90]
    place = tmp_path / "logits.safetensors"
    known = {name: (str(folder), kind) for name, (folder, kind) in models.items()}
    argument = json.dumps([known, texts, pairs, str(place)])
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, argument], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    plain = load_file(place)
    for name, (folder, kind) in models.items():
        packed = ours(folder, kind, LENGTHS[name], texts, pairs)
        assert packed.shape == plain[name].shape, name
        np.testing.assert_allclose(packed, plain[name], atol=1e-5, err_msg=name)
        assert np.ptp(packed, axis=0).max() > 1e-3, f"{name}: texts are not told apart at all"


def test_the_delivered_weights_are_those_that_were_judged(models, finished_project, several) -> None:
    tokenizer = load_tokenizer(models["language"][0])
    tokens = TokenStore(finished_project.artifact("tokens") / "validation")
    first, last = boundaries(tokenizer)
    measured = measure(
        load_model(models["language"][0], "mlm"),
        Mlm().build(tokenizer=tokenizer, seed=3, fixed=True),
        WindowStore(tokens, 48, first, last),
        batch=Length.parse("4k tokens"),
    )
    told = finished_project.metrics["pretrain"]
    assert measured.loss == pytest.approx(
        told["validation"]["loss"], rel=5e-3
    )  # it may have been judged in bf16
    assert told["before"]["loss"] > measured.loss * 1.05

    run, _ = several
    for name, kind in (("same", "pair"), ("tags", "single")):
        examples = read_examples(run / f"artifacts/examples-{name}", "test")
        found = ours(models[name][0], kind, LENGTHS[name], examples.texts, examples.pairs or [])
        judged = json.loads((run / f"artifacts/evaluation-{name}/evaluation.json").read_text("utf-8"))[
            "delivered"
        ]
        scores = load_file(run / "artifacts" / judged / "test-answers.safetensors")["scores"]
        np.testing.assert_allclose(found, scores, atol=1e-5, err_msg=name)


def test_labels_are_in_the_configuration(models) -> None:
    def config(name: str) -> dict[str, Any]:
        return json.loads((models[name][0] / "config.json").read_text("utf-8"))

    topics = ["cooking", "sport", "天气"]
    assert config("topic")["id2label"] == {str(n): topic for n, topic in enumerate(topics)}
    assert config("topic")["label2id"] == {topic: n for n, topic in enumerate(topics)}
    assert config("topic")["problem_type"] == "single_label_classification"
    assert config("same")["id2label"] == {"0": "no", "1": "yes"}
    assert config("tags")["id2label"] == config("topic")["id2label"]
    assert config("tags")["problem_type"] == "multi_label_classification"
    assert config("language")["architectures"] == ["BertForMaskedLM"]
    # No text of a user's is longer than what was trained and judged.
    for name, length in LENGTHS.items():
        settings = json.loads((models[name][0] / "tokenizer_config.json").read_text("utf-8"))
        assert settings["model_max_length"] == length, name


def test_the_best_seed_is_delivered(several) -> None:
    run, metrics = several
    losses = {
        f"task-same-without-{n}": json.loads(
            (run / f"artifacts/task-same-without-{n}/outcome.json").read_text()
        )
        for n in (0, 1)
    }
    best = min(losses, key=lambda name: losses[name]["validation_loss"])
    assert metrics["tasks"]["same"]["delivered"] == best
    delivered = (run / "tasks/same/model/model.safetensors").read_bytes()
    assert delivered == (run / "artifacts" / best / "model/model.safetensors").read_bytes()
    assert (
        losses["task-same-without-0"]["validation_loss"] != losses["task-same-without-1"]["validation_loss"]
    )


def test_every_model_has_its_card(models, finished_project) -> None:
    for name, (folder, _) in models.items():
        card = (folder / "README.md").read_text("utf-8")
        assert card.startswith("---\n") and "## Limits" in card and "## Recipe" in card, name
    card = (models["topic"][0] / "README.md").read_text("utf-8")
    assert f"value: {finished_project.metrics['tasks']['topic']['test']['macro_f1']['value']}\n" in card
    assert "天气" in card


def test_each_card_tells_the_size_of_its_own_model(models) -> None:
    for name, (folder, kind) in models.items():
        model = load_model(folder, "mlm" if kind == "mlm" else "classification")
        size = sum(parameter.numel() for parameter in model.parameters())
        assert f"| parameters | {size:,} |" in (folder / "README.md").read_text("utf-8"), name
