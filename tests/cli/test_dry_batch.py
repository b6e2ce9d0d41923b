"""`check --dry-batch` trains for real, says what it takes, and tells what does not fit in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.pipeline.dry_batch import DryBatch, DryProblem, RandomStore, measure
from acclimate.pipeline.dry_model import dry_model, dry_tokenizer, trained_parts
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.sections import Recipe
from acclimate.recipe.units import Length
from acclimate.tokenizer.untrained import untrained_tokenizer

TASK = """\
tasks: {topic: {classification: {train: topic.tsv, test: topic.tsv, length: 3 epochs, batch: 4 sequences, seeds: 2}}}
hardware: {threads: 1}
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def whole(small: Path) -> Path:
    """The small recipe with a task."""
    (small.parent / "topic.tsv").write_text("text\tlabel\none two\ta\n三四\tb\n", encoding="utf-8")
    small.write_text(small.read_text(encoding="utf-8") + TASK, encoding="utf-8")
    return small


@pytest.fixture
def checkpoint(whole: Path) -> Path:
    """A folder with a model of 64 positions and 300 entries, and its tokenizer."""
    recipe = load_recipe(whole, ["model.positions=64"]).recipe
    tokenizer = dry_tokenizer(recipe)
    folder = whole.parent / "weights"
    dry_model(recipe, tokenizer, next(trained_parts(recipe))).save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    return folder


def from_checkpoint(whole: Path, *overrides: str) -> Recipe:
    text = whole.read_text(encoding="utf-8")
    text = text.replace("size: tiny", "checkpoint: weights").replace(
        "tokenizer: {train: {vocab_size: 300}}\n", ""
    )
    path = whole.with_name("from.yaml")
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, overrides).recipe


def test_every_training_is_measured(acclimate: Any, whole: Path) -> None:
    ended = acclimate(
        "check", "small.yaml", "--dry-batch", "--json", "--set", "hardware.micro_batch=128 tokens"
    )
    assert ended.code == 0, ended.err
    assert ended.err == "dry batch: pretrain …\ndry batch: tasks.topic …\n"
    pretrain, task = json.loads(ended.out)["dry_batch"]
    assert (pretrain["part"], pretrain["sequences"], pretrain["tokens"]) == ("pretrain", 8, 256)
    assert (task["part"], task["sequences"], task["tokens"]) == ("tasks.topic", 4, 512)
    assert (pretrain["trainings"], task["trainings"]) == (1, 4)  # two arms, two seeds
    for one in (pretrain, task):
        assert one["device"] == "cpu" and one["threads"] == 1 and one["device_memory_bytes"] is None
        assert 0 < one["seconds"] < 60 and 10**8 < one["peak_memory_bytes"] < 10**10
        assert one["tokens_per_second"] == pytest.approx(one["tokens"] / one["seconds"])
        assert one["seconds_per_million_tokens"] == pytest.approx(1e6 * one["seconds"] / one["tokens"])
    assert pretrain["seconds_in_all"] == pytest.approx(2 * pretrain["seconds"])  # 2 steps
    assert task["seconds_in_all"] is None  # epochs


def test_a_problem_stands_in_its_place(acclimate: Any, whole: Path, checkpoint: Path) -> None:
    from_checkpoint(whole)
    ended = acclimate("check", "from.yaml", "--dry-batch", "--set", "pretrain=null")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "dry batch: tasks.topic …\nfrom.yaml:5:17: tasks.topic.classification.sequence_length: sequence_length is "
        "128, the model takes sequences of 64 tokens at most\n"
    )


def test_a_checkpoint_brings_its_tokenizer(whole: Path, checkpoint: Path) -> None:
    recipe = from_checkpoint(whole, "tasks.topic.classification.sequence_length=64")
    for part in trained_parts(recipe):
        measured = measure(recipe, part)
        assert measured.tokens == {"pretrain": 256, "tasks.topic": 256}[part.name]
    assert len(dry_tokenizer(recipe)) == 300


def test_what_does_not_fit_together_is_told_in_its_place(whole: Path, checkpoint: Path) -> None:
    untrained_tokenizer(301).save_pretrained(str(whole.parent / "larger"))
    bare = untrained_tokenizer(300)
    bare.mask_token = None
    bare.save_pretrained(str(whole.parent / "bare"))
    for overrides, path, message in [
        (
            ["tokenizer.load=larger"],
            ("model",),
            "the tokenizer has 301 tokens, the model's embedding 300 rows",
        ),
        (["tokenizer.load=bare"], ("pretrain", "objective"), "the tokenizer has no mask token"),
        (["tokenizer.load=./nowhere"], ("tokenizer",), "there is no such folder"),
    ]:
        recipe = from_checkpoint(whole, *overrides)
        with pytest.raises(DryProblem, match=message) as caught:
            measure(recipe, next(trained_parts(recipe)))
        assert caught.value.path == path


MEMORY = """\
import resource, sys
from acclimate.recipe.loading import load_recipe
from acclimate.pipeline.dry_batch import DryProblem, measure
from acclimate.pipeline.dry_model import trained_parts
recipes = [load_recipe("small.yaml", overrides.split(";")).recipe for overrides in ("seed=1", *sys.argv[1:])]
measure(recipes[0], next(trained_parts(recipes[0])))  # from here on all libraries are in memory
size = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + 2**28, -1))
for recipe in recipes[1:]:
    try:
        measure(recipe, next(trained_parts(recipe)))
    except DryProblem as problem:
        print(problem.path, problem)
"""
KILLED = """\
import resource
from acclimate.recipe.loading import load_recipe
from acclimate.pipeline.dry_batch import dry_batches
if __name__ == "__main__":
    recipe = load_recipe("small.yaml", ["tasks={}", "model.size=large"]).recipe
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    batches, problems = dry_batches(recipe)
    print(batches, *problems)
"""


def script(folder: Path, text: str, *arguments: str) -> list[str]:
    """What a program prints, line by line."""
    (folder / "script.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits of memory need Linux")
def test_too_little_memory_is_told(whole: Path) -> None:
    overrides = (
        "pretrain.batch=100M tokens",
        "pretrain.batch=2M tokens;hardware.micro_batch=1M tokens",
        "model.size=large",
    )
    assert script(whole.parent, MEMORY, *overrides) == [
        "('pretrain', 'batch') out of memory: a step of '100M tokens' does not fit at once; "
        "set hardware.micro_batch to a part of it",
        "('hardware', 'micro_batch') out of memory: pretrain: a step in pieces of '1M tokens' does not fit; "
        "make them smaller",
        "('model',) out of memory: the model does not fit; take a smaller one",
    ]


def test_a_process_that_the_system_ended_is_told(whole: Path) -> None:
    """Here for want of processor time, which can be arranged; memory ends a process in the same way."""
    assert script(whole.parent, KILLED) == [
        "[] (('pretrain', 'batch'), \"the system ended the process, most likely out of memory: a step of '256 tokens' "
        'does not fit at once; set hardware.micro_batch to a part of it")'
    ]


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        ("10 steps", 20.0),
        ("10k tokens", 200.0),
        ("10 sequences", 4.0),
        ("3 minutes", 180.0),
        ("2 epochs", None),
    ],
)
def test_how_long_a_training_takes(whole: Path, length: str, seconds: float | None) -> None:
    part = next(trained_parts(load_recipe(whole).recipe))
    part = replace(part, settings=part.settings.model_copy(update={"length": Length.parse(length)}))
    one = DryBatch(part, 5, 100, 2.0, 0, None, "cpu", "fp32", 1)
    assert one.seconds_in_all == seconds


def test_random_sequences_are_full_and_closed() -> None:
    tokenizer = untrained_tokenizer(40)
    for batch, number in (("100 tokens", 3), ("7 sequences", 7), ("10 tokens", 1)):
        store = RandomStore(tokenizer, Length.parse(batch), 32, seed=1)
        assert store.lengths.tolist() == [32] * number
        ids = np.arange(number)
        found = store.fetch(ids, ids)
        rows = found.tokens.reshape(number, 32)
        assert set(rows[:, 0]) == {tokenizer.cls_token_id} and set(rows[:, -1]) == {tokenizer.sep_token_id}
        assert (rows[:, 1:-1].min() == 5 and rows[:, 1:-1].max() == 39) or number == 1
        assert found.cu_seqlens.tolist() == list(range(0, 32 * number + 1, 32))
        assert (store.fetch(ids, ids).tokens == found.tokens).all()


def test_an_untrained_tokenizer_has_the_size_and_the_specials_of_a_trained_one(tmp_path: Path) -> None:
    from acclimate.tokenizer.training import Train

    trained = Train(vocab_size=300).build(
        texts=iter([["many small words " * 9, "一些中文"]]), folder=tmp_path
    )
    made = untrained_tokenizer(300)
    assert len(made) == 300 and made.all_special_ids == trained.all_special_ids
    assert made("w7").input_ids == [2, 7, 3] and made.mask_token_id == trained.mask_token_id
    assert made("w7", "w9").token_type_ids == trained("a", "b").token_type_ids


def test_check_alone_needs_no_torch(whole: Path) -> None:
    code = (
        "import sys\nsys.argv = ['acclimate', 'check', 'small.yaml']\nfrom acclimate.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([one for one in ('torch', 'transformers', 'sklearn', 'scipy') if one in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=whole.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("OK: small.yaml\n") and done.stdout.endswith("\n[]\n")
