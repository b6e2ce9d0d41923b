"""Pretraining as a run does it: from a checkpoint, in pieces, stopped early, gone wrong."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from acclimate.artifacts.durable import read_lines


@pytest.fixture
def run(acclimate_command, finished_project, untrained_output, tmp_path) -> Callable[..., Any]:
    """run("name of an output folder", *overrides, code=0) → how it ended. Only what is trained is new in it."""
    recipe = str(finished_project.folder / "recipe.yaml")

    def start(name: str, *overrides: str, code: int = 0) -> Any:
        output = tmp_path / name
        if not output.exists():
            untrained_output(output)
        sets = [part for one in overrides for part in ("--set", one)]
        ended = acclimate_command("run", recipe, "--output", str(output), "--json", *sets, folder=tmp_path)
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err, ended.err
        return ended

    return start


def steps(ended: Any, stage: str = "pretrain") -> list[dict[str, Any]]:
    return list(read_lines(Path(ended.told["run"]) / "artifacts" / stage / "steps.jsonl"))


def losses(ended: Any, stage: str = "pretrain") -> list[float]:
    return [line["loss"] for line in steps(ended, stage)]


EXACT = (
    "model.dropout=0%",
    "model.attention_dropout=0%",
    "hardware.precision=fp32",
    "pretrain.length=8 steps",
)


def test_micro_batches_learn_the_same(run) -> None:
    whole, parts = run("whole", *EXACT), run("parts", *EXACT, "hardware.micro_batch=100 tokens")
    np.testing.assert_allclose(losses(whole), losses(parts), rtol=2e-6)
    assert len(set(losses(whole))) == 8
    task = "task-topic-with-0"
    np.testing.assert_allclose(losses(whole, task), losses(parts, task), rtol=1e-5)
    for name in ("steps", "tokens", "epochs"):
        assert whole.told["pretrain"][name] == parts.told["pretrain"][name]
    assert [line["gradient_norm"] for line in steps(whole)] == pytest.approx(
        [line["gradient_norm"] for line in steps(parts)], rel=1e-4
    )
    assert losses(whole) != losses(parts)  # another order of summing: the pieces were real


def test_patience_stops_early_and_takes_the_best_weights(run) -> None:
    ended = run(
        "early", "pretrain.validate={every: 2 steps, patience: 2}", "pretrain.length=60 steps",
        "pretrain.optimizer.adamw.lr=0.02", "pretrain.schedule=constant", "hardware.precision=fp32",
    )  # fmt: skip
    folder = Path(ended.told["run"]) / "artifacts/pretrain"
    validations = list(read_lines(folder / "validation.jsonl"))
    best = min(validations, key=lambda line: line["loss"])
    assert best["step"] < validations[-1]["step"] == ended.told["pretrain"]["steps"] < 60
    assert [line["best"] for line in validations[-3:]] == [True, False, False]
    assert validations[-3] == best
    # The delivered weights are those of the best step, not of the last.
    assert ended.told["pretrain"]["validation"]["loss"] == pytest.approx(best["loss"], rel=1e-6)
    assert validations[-1]["loss"] > best["loss"] * 1.001


def test_without_patience_the_last_weights_are_measured(run) -> None:
    ended = run(
        "last", "pretrain.length=5 steps", "pretrain.validate.every=2 steps", "hardware.precision=fp32"
    )
    validations = list(read_lines(Path(ended.told["run"]) / "artifacts/pretrain/validation.jsonl"))
    assert [line["step"] for line in validations] == [2, 4, 5]
    told = ended.told["pretrain"]["validation"]
    assert told["loss"] == pytest.approx(validations[-1]["loss"], rel=1e-6)
    assert told["bits_per_byte"] == pytest.approx(validations[-1]["bits_per_byte"], rel=1e-6)


BROKEN = ("pretrain.optimizer.adamw.lr=1e30", "pretrain.gradients=[]", "pretrain.schedule=constant")


def test_a_loss_that_is_no_number_names_step_documents_and_checkpoint(run, tmp_path) -> None:
    ended = run("broken", *BROKEN, "pretrain.checkpoint.every=1 steps", code=1)
    found = re.fullmatch(
        r"acclimate: step (\d+): the loss is .*\. The step was not taken\. Documents of its batch: (.*)\. "
        r"Last good checkpoint: (\S+/step-\d{9})",
        ended.err.splitlines()[-1],
    )
    assert found, ended.err
    assert re.fullmatch(r"([0-9a-f]{32} \(text\.txt\), ){9}[0-9a-f]{32} \(text\.txt\) and \d+ more", found[2])
    checkpoint = tmp_path / found[3]
    assert int(checkpoint.name[5:]) == int(found[1]) - 1
    assert (checkpoint / "state.safetensors").is_file()


def test_it_starts_from_the_checkpoint_of_an_earlier_run(run, finished_project) -> None:
    start = finished_project.run / "model"
    model = f"model={{family: bert, checkpoint: {start}}}"
    slow = "tasks.topic.classification.optimizer.adamw.lr=1e-9"
    common = (model, "tokenizer=null", slow, "hardware.precision=fp32")
    ended = run("on", *common, "pretrain.length=4 steps")

    folder = Path(ended.told["run"])
    vocabulary = (folder / "model/tokenizer.json").read_bytes()
    assert vocabulary == (start / "tokenizer.json").read_bytes()
    # Before it, the model is as good as the earlier run left it: the same text, under the same masks.
    left, found = finished_project.metrics["pretrain"]["validation"], ended.told["pretrain"]["before"]
    assert found["bits_per_byte"] == pytest.approx(
        left["bits_per_byte"], rel=5e-3
    )  # the earlier one was in bf16
    assert ended.told["pretrain"]["validation"]["loss"] < found["loss"]

    # The arm without pretraining is the checkpoint itself: a rate of nothing leaves its body as it was.
    alone = run("alone", *common, "pretrain=null")
    body = load_file(Path(alone.told["run"]) / "tasks/topic/model/model.safetensors")
    given = load_file(start / "model.safetensors")
    shared = [name for name in given if name.startswith("bert.")]
    assert len(shared) > 30
    for name in shared:
        np.testing.assert_allclose(body[name], given[name], atol=1e-6, err_msg=name)

    def scores(ended: Any, arm: str) -> Any:
        return load_file(Path(ended.told["run"]) / f"artifacts/task-topic-{arm}-0/test-answers.safetensors")[
            "scores"
        ]

    np.testing.assert_array_equal(scores(alone, "without"), scores(ended, "without"))
    assert np.abs(scores(ended, "with") - scores(ended, "without")).max() > 1e-3


def exchange_two_tokens(folder: Path) -> int:
    """The folder's tokenizer gets the same words, two of them under each other's number; how many words it has."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    words = content["model"]["vocab"]
    first, second = [word for word in words if word.isalpha()][:2]
    words[first], words[second] = words[second], words[first]
    path.chmod(0o644)
    path.write_text(json.dumps(content), "utf-8")
    return len(words)


def test_a_model_and_a_tokenizer_that_do_not_fit_together(run, finished_project, tmp_path) -> None:
    start = finished_project.run / "model"
    model = f"model={{family: bert, checkpoint: {start}}}"
    trained = run("trained", model, code=2)
    assert "tokenizer: model and tokenizer do not fit together: " in trained.err
    assert "has embeddings for its own tokens, not for newly trained ones" in trained.err

    foreign = tmp_path / "foreign"
    shutil.copytree(start, foreign)
    number = exchange_two_tokens(foreign)
    exchanged = run("exchanged", model, f"tokenizer={{load: {foreign}}}", code=1)
    assert exchanged.err.splitlines()[-1].startswith(
        f"acclimate: {start}: model and tokenizer do not fit together: 2 of its {number} tokens have another number"
    )


def test_a_checkpoint_that_takes_shorter_sequences_says_so(run, finished_project) -> None:
    model = f"model={{family: bert, checkpoint: {finished_project.run / 'model'}}}"
    ended = run("long", model, "tokenizer=null", "pretrain.sequence_length=128", code=1)
    assert ended.err.splitlines()[-1] == (
        "acclimate: pretrain.sequence_length is 128, the model takes sequences of 64 tokens at most"
    )
