"""A recipe that adapts its checkpoint's vocabulary: what it makes, what it compares, what it tells."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

WORDS = ("phosphorylation", "carcinoma", "kinase", "apoptosis", "高血压", "糖尿病")
RECIPE = """\
name: adapted
seed: 3
corpus:
  sources: [{{path: text.txt, documents: line}}]
  split: {{validation: 10%, test: 5%}}
tokenizer: {{adapt: {{choose: {{saving: 8}}, initialise: {rows}}}}}
model: {{family: bert, checkpoint: start}}
pretrain:
  length: 4 steps
  batch: 512 tokens
  sequence_length: 48
tasks:
  topic:
    classification:
      {{train: train.tsv, test: test.tsv, text: 0, label: 1, header: false, length: 1 epochs, seeds: 1,
       sequence_length: 48}}
evaluate: {{intervals: {{bootstrap: {{resamples: 100}}}}}}
hardware: {{threads: 1, precision: fp32}}
"""


@pytest.fixture(scope="module")
def folder(finished_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain's text with words of its own, and the checkpoint `start` of the other tests' text."""
    place = tmp_path_factory.mktemp("adapted")
    for name in ("train.tsv", "test.tsv"):
        shutil.copy(finished_project.folder / name, place)
    lines = (finished_project.folder / "text.txt").read_text("utf-8").splitlines()
    domain = [f"{line} {WORDS[n % 6]} {WORDS[n * 7 % 5]}" for n, line in enumerate(lines)]
    (place / "text.txt").write_text("\n".join(domain), "utf-8")
    shutil.copytree(finished_project.run / "model", place / "start")
    (place / "recipe.yaml").write_text(RECIPE.format(rows="focus"), "utf-8")
    return place


@pytest.fixture(scope="module")
def done(folder: Path, acclimate_command: Any) -> tuple[Path, dict[str, Any], str]:
    """(run folder, metrics, what was said)."""
    ended = acclimate_command("run", "recipe.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    return folder / ended.told["run"], ended.told, ended.err


def test_the_gain_is_told_before_training(done: Any) -> None:
    run, metrics, said = done
    gain = metrics["vocabulary"]
    assert gain["added"] == gain["after"]["vocabulary"] - gain["before"]["vocabulary"] > 0
    assert gain["after"]["tokens"] < gain["before"]["tokens"]
    assert gain["tokens_saved"] == pytest.approx(1 - gain["after"]["tokens"] / gain["before"]["tokens"])
    assert gain["after"]["bytes"] == gain["before"]["bytes"]
    assert gain["after"]["parameters"] - gain["before"]["parameters"] == gain["added"] * (128 + 1)
    assert gain["expected_speed"] > 1
    assert any(word in gain["examples"] for word in WORDS)
    statement = gain["statement"]
    assert f"{gain['added']} tokens added; held-out text is " in statement
    assert said.index("gain: " + statement) < said.index("pretrain: started")
    # The step-0 figure is that with which the training begins.
    adapted = gain["after"]["figures"]["bits_per_byte"]["value"]
    assert metrics["pretrain"]["before"]["bits_per_byte"] == pytest.approx(adapted, rel=1e-6)
    page = (run / "report.html").read_text("utf-8")
    assert '<section id="vocabulary">' in page and "the checkpoint&#39;s own" not in page
    assert f"{gain['added']} tokens added" in page


def test_the_checkpoints_own_figures_are_those_of_the_run_that_made_it(
    done: Any, folder: Path, acclimate_command: Any
) -> None:
    ended = acclimate_command(
        "run", "recipe.yaml", "--json", "--set", "tokenizer=null", "--set", "tasks={}", folder=folder
    )
    assert ended.code == 0, ended.err
    plain = ended.told["pretrain"]["before"]["bits_per_byte"]
    assert done[1]["vocabulary"]["before"]["figures"]["bits_per_byte"]["value"] == pytest.approx(
        plain, rel=1e-6
    )


def test_old_rows_stay_and_new_ones_come(done: Any, folder: Path) -> None:
    run, metrics, _ = done
    artifact = run / "artifacts/vocabulary/model"
    plan = json.loads((run / "artifacts/tokenizer/adaptation.json").read_text("utf-8"))
    before, after = load_file(folder / "start/model.safetensors"), load_file(artifact / "model.safetensors")
    assert set(before) == set(after)
    changed = {name for name in before if before[name].shape != after[name].shape}
    assert changed == {"bert.embeddings.word_embeddings.weight", "cls.predictions.bias"}
    for name, old in before.items():
        np.testing.assert_array_equal(after[name][: len(old)], old)
    assert len(after["cls.predictions.bias"]) == plan["old_size"] + metrics["vocabulary"]["added"]
    assert json.loads((artifact / "config.json").read_text("utf-8"))["vocab_size"] == len(plan["from_old"])


def test_the_delivered_model_uses_the_new_tokens(done: Any) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    run = done[0]
    for place in (run / "model", run / "tasks/topic/model"):
        tokenizer = AutoTokenizer.from_pretrained(place)
        assert "carcinoma" in tokenizer.tokenize("a carcinoma")
    model = AutoModelForMaskedLM.from_pretrained(run / "model")
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(run / "model"))


def test_the_baseline_is_the_checkpoint_as_it_was(done: Any, folder: Path, acclimate_command: Any) -> None:
    """Not one whose new rows nothing has trained."""
    run, _, _ = done
    assert json.loads((run / "artifacts/task-topic-without-0/manifest.json").read_text("utf-8"))[
        "inputs"
    ].keys() == {"examples-topic"}
    plain = acclimate_command(
        "run", "recipe.yaml", "--json", "--set", "tokenizer=null", "--set", "pretrain=null", folder=folder
    )
    assert plain.code == 0, plain.err
    ours, theirs = (
        load_file(place / "artifacts/task-topic-without-0/test-answers.safetensors")["scores"]
        for place in (run, folder / plain.told["run"])
    )
    np.testing.assert_array_equal(ours, theirs)


def test_without_pretraining_tasks_start_from_the_adapted_checkpoint(
    done: Any, folder: Path, acclimate_command: Any
) -> None:
    ended = acclimate_command("run", "recipe.yaml", "--json", "--set", "pretrain=null", folder=folder)
    assert ended.code == 0, ended.err
    assert ended.told["vocabulary"]["added"] == done[1]["vocabulary"]["added"]
    place = folder / ended.told["run"] / "tasks/topic/model/config.json"
    assert (
        json.loads(place.read_text("utf-8"))["vocab_size"] == ended.told["vocabulary"]["after"]["vocabulary"]
    )


def test_other_rows_keep_the_vocabulary(done: Any, folder: Path, acclimate_command: Any) -> None:
    (folder / "other.yaml").write_text(RECIPE.format(rows="weighted_mean"), "utf-8")
    ended = acclimate_command("run", "other.yaml", "--json", folder=folder)
    assert ended.code == 0, ended.err
    assert "tokenizer: up to date, skipped" in ended.err
    assert "vocabulary: started" in ended.err
    again = acclimate_command("run", "other.yaml", "--json", folder=folder)
    assert "started" not in again.err


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["model={family: bert, size: tiny}"],
            "adapts the vocabulary of a checkpoint; name one in `model.checkpoint`",
        ),
        (
            ["tokenizer={train: {vocab_size: 400}}"],
            "leave `tokenizer` out to take the checkpoint's own, or change it",
        ),
        (
            ["tokenizer={adapt: {mode: replace, prune: {}}}"],
            "prune takes away what `mode: replace` puts new entries",
        ),
        (
            ["tokenizer={adapt: {choose: {saving: 100000}, mode: replace}}"],
            "old ones are not used in the training",
        ),
        (["tokenizer={adapt: {choose: {saving: {occurrences: 100000}}}}"], "no token can be added"),
    ],
)
def test_what_cannot_be_done_is_told(
    folder: Path, acclimate_command: Any, overrides: list[str], words: str
) -> None:
    ended = acclimate_command(
        "run", "recipe.yaml", *(word for one in overrides for word in ("--set", one)), folder=folder
    )
    assert ended.code in (1, 2)
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_a_dry_batch_takes_the_checkpoints_own_vocabulary(folder: Path, acclimate_command: Any) -> None:
    ended = acclimate_command("check", "recipe.yaml", "--dry-batch", "--set", "tasks={}", folder=folder)
    assert ended.code == 0, ended.err
