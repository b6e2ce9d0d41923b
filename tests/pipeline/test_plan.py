"""Which stages a recipe has, in which order, and what each one's identity hangs on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.artifacts.hashing import digest_file, digest_json
from acclimate.pipeline.plan import plan
from acclimate.pipeline.stage import Stage
from acclimate.recipe.loading import load_recipe

SECOND = """  other:
    classification: {data: {path: train.tsv, header: false}, text: 0, label: 1, seeds: 2}
evaluate:"""


@pytest.fixture
def stages(make_project, tmp_path: Path) -> Callable[..., dict[str, Stage]]:
    """stages(*overrides) → the stages of the tiny recipe with a second task, by name."""
    folder = make_project(tmp_path / "project", lines=30, train=30, test=12)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("evaluate:", SECOND), "utf-8")

    def make(*overrides: str) -> dict[str, Stage]:
        return {one.name: one for one in plan(load_recipe(recipe, list(overrides)).recipe, digest_file)}

    return make


def own(stage: Stage) -> str:
    """What the stage's key hangs on besides its inputs."""
    return digest_json([stage.kind, stage.version, stage.settings, dict(stage.outside), list(stage.packages)])


def changed(before: dict[str, Stage], after: dict[str, Stage]) -> set[str]:
    assert before.keys() == after.keys()
    return {
        name
        for name in before
        if own(before[name]) != own(after[name]) or before[name].needs != after[name].needs
    }


def test_every_stage_stands_after_what_it_needs(stages) -> None:
    seen: set[str] = set()
    for name, stage in stages().items():
        assert set(stage.needs) <= seen, name
        seen.add(name)
    trainings = [f"task-other-{arm}-{n}" for arm in ("with", "without") for n in (0, 1)]
    assert list(stages()) == [
        "examples-topic", "examples-other", "corpus", "tokenizer", "tokens", "pretrain", "figures",
        "task-topic-with-0", "task-topic-without-0", "evaluation-topic", *trainings, "evaluation-other",
    ]  # fmt: skip


def test_what_is_left_out_has_no_stage(stages) -> None:
    names = list(stages("pretrain=null"))
    assert "tokens" not in names and "pretrain" not in names and "figures" not in names
    assert "task-topic-without-0" in names and "task-topic-with-0" not in names
    assert list(stages("tasks={}")) == ["corpus", "tokenizer", "tokens", "pretrain", "figures"]
    assert stages("tasks={}")["corpus"].needs == ()
    assert stages("corpus.decontaminate=null")["corpus"].needs == ()


ALL_TRAININGS = {"task-topic-without-0", *(f"task-other-without-{n}" for n in (0, 1))}
WITH_TRAININGS = {"task-topic-with-0", *(f"task-other-with-{n}" for n in (0, 1))}
REACH: dict[str, set[str]] = {
    "name=another": set(),
    "hardware.threads=2": set(),
    "pretrain.checkpoint.every=1 steps": set(),
    "corpus.sources.0.documents=paragraph": {"corpus"},
    "corpus.clean=[{unicode: NFKC}]": {"corpus"},
    "corpus.split.test=6%": {"corpus"},
    "tokenizer.train.vocab_size=401": {"tokenizer"},
    "pretrain.length=19 steps": {"pretrain"},
    "pretrain.objective={mlm: {rate: 20%}}": {"pretrain"},
    "model.dropout=0%": {"pretrain"} | ALL_TRAININGS,
    "seed=4": {"pretrain"} | ALL_TRAININGS | WITH_TRAININGS,
    "tasks.topic.classification.optimizer.adamw.lr=1e-5": {"task-topic-with-0", "task-topic-without-0"},
    "tasks.topic.classification.metric=auc": {"evaluation-topic"},
    "tasks.other.classification.near=null": {"examples-other"},
    "tasks.other.classification.split.test=30%": {"examples-other"},
    "evaluate.intervals.bootstrap.seed=1": {"figures", "evaluation-topic", "evaluation-other"},
}


@pytest.mark.parametrize("override", REACH)
def test_a_setting_reaches_the_stages_it_decides(stages, override: str) -> None:
    assert changed(stages(), stages(override)) == REACH[override]


@pytest.mark.parametrize(
    ("transfer", "package"),
    [
        ("features", "scikit-learn"),
        ("{tapt: {then: {adapters: lora}, length: 2 steps}}", "peft"),
        ("full", None),
    ],
)
def test_a_training_hangs_on_the_packages_of_its_way_of_transfer(
    stages, transfer: str, package: str | None
) -> None:
    own = stages(f"tasks.topic.classification.transfer={transfer}")["task-topic-with-0"].packages
    assert own == ("torch", "transformers", *([package] if package else []))


def test_clusters_hang_on_what_finds_them(stages) -> None:
    told = stages("tasks={groups: {clustering: {data: {path: train.tsv, header: false}, text: 0, label: 1}}}")
    assert "scikit-learn" in told["task-groups-with-0"].packages


def test_a_file_s_content_reaches_the_stage_that_reads_it(stages, tmp_path: Path) -> None:
    before = stages()
    text = tmp_path / "project" / "text.txt"
    text.write_bytes(text.read_bytes().replace(b".\n", b"!\n", 1))
    assert changed(before, stages()) == {"corpus"}
    train = tmp_path / "project" / "train.tsv"
    train.write_bytes(train.read_bytes().replace(b".\t", b"!\t", 1))
    assert changed(before, stages()) == {"corpus", "examples-topic", "examples-other"}


def test_a_place_is_no_content(stages, make_project, tmp_path: Path) -> None:
    """The same recipe on the same data elsewhere has the same stages."""
    before: dict[str, Any] = stages()
    (tmp_path / "project").rename(tmp_path / "moved")
    recipe = load_recipe(tmp_path / "moved/recipe.yaml").recipe
    assert changed(before, {one.name: one for one in plan(recipe, digest_file)}) == set()
