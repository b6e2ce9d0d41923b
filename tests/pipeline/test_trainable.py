"""Layers and parameters that a recipe names are looked up before anything runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from acclimate.models.family import Family, Vocabulary
from acclimate.pipeline.trainable import problems, require_trainable
from acclimate.recipe.loading import LoadedRecipe, load_recipe
from acclimate.recipe.problems import RecipeError, dotted
from acclimate.recipe.registry import registry

RECIPE = """\
name: named
corpus: {sources: [{path: text.txt, documents: line}]}
model: {family: bert, size: tiny}
tasks:
  mood: {classification: {data: {path: data.tsv}}}
  names: {ner: {data: {path: spans.jsonl}, crf: true}}
"""
TRANSFER = "tasks.mood.classification.transfer"
OVERRIDES = "tasks.mood.classification.optimizer={adamw: {overrides: [{match: '%s', rate: 2}]}}"
PRETRAIN = "pretrain={length: 2 steps, optimizer: {adamw: {overrides: [{match: '%s'}]}}}"
FORGOT = {
    "only": (TRANSFER + "={only: ['*.byas']}", r"transfer: .*only.parts: '\*.byas' matches no parameter; did you"),
    "freeze": (TRANSFER + "={freeze: {layers: 1, match: ['*.atention.*']}}", r"freeze.match: .*mean '\*attention\*'"),
    "gradual": (TRANSFER + "={gradual: {order: ['*layer.1.*', '*embedings*']}}", "gradual.order: .*embeddings"),
    "behind a prelude": (TRANSFER + "={reinitialise: {then: {only: ['*.byas']}}}", "only.parts"),
    "all frozen": (TRANSFER + "={freeze: {match: ['*']}}", "every parameter is frozen"),
    "override": (OVERRIDES % "clasifier.*", "optimizer: .*'clasifier.*' matches no parameter; .*classifier"),
    "pretraining": (PRETRAIN % "*.prediction.*", "pretrain.optimizer: .*matches no parameter"),
    "an auxiliary head over what is frozen": (
        TRANSFER + "={auxiliary: {label: x, then: {freeze: {layers: 2}}}}",
        "auxiliary.then: freeze holds still all that layer -1 is made by",
    ),
    "an auxiliary head over what is not trained": (
        TRANSFER + "={auxiliary: {label: x, layer: 0, then: {only: [1, head]}}}",
        "auxiliary.then: only holds still all that layer 0 is made by",
    ),
    "a head of the task": (TRANSFER + "={only: ['crf.*']}", "'crf.*' matches no parameter"),
}  # fmt: skip
FITTING = (
    TRANSFER + "={only: ['classifier.*', '*.bias']}",
    TRANSFER + "={freeze: {match: ['*.attention.*']}}",
    TRANSFER + "={gradual: {order: ['*layer.1.*', '*layer.0.*', embeddings], every: 1 epochs}}",
    TRANSFER + "={adapters: {targets: ['*query']}}",
    TRANSFER + "={auxiliary: {label: x, then: {only: [1]}}}",
    TRANSFER + "={auxiliary: {label: x, layer: 0, then: {only: [embeddings]}}}",
    TRANSFER + "={auxiliary: {label: x, weight: 0, then: {only: [head]}}}",
    TRANSFER + "={auxiliary: {label: x, then: adapters}}",
    OVERRIDES % "classifier.*",
    PRETRAIN % "cls.predictions.*",
    "tasks.names.ner.transfer={only: ['crf.*']}",
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, "utf-8")
    return path


def loaded(recipe: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(recipe, list(overrides))


def checkpoint(folder: Path) -> str:
    bert: type[Family] = registry.get("family", "bert")  # type: ignore[assignment]
    bert.model_validate({"size": "tiny"}).build(vocabulary=Vocabulary(60, 0), seed=1).save_pretrained(folder)
    return f"model={{family: bert, checkpoint: {folder}}}"


@pytest.mark.parametrize("kind", FORGOT)
def test_a_pattern_that_matches_nothing_is_told_with_the_nearest_names(recipe: Path, kind: str) -> None:
    override, words = FORGOT[kind]
    with pytest.raises(RecipeError) as caught:
        require_trainable(loaded(recipe, override))
    assert re.search(words, str(caught.value)), caught.value


@pytest.mark.parametrize("override", FITTING)
def test_names_that_are_there_are_taken_those_of_heads_with_them(recipe: Path, override: str) -> None:
    if "adapters" in override:
        pytest.importorskip("peft")
    assert list(problems(loaded(recipe, override).recipe)) == []


def test_what_holds_still_cannot_have_a_rate_of_its_own(recipe: Path) -> None:
    told = list(problems(loaded(recipe, TRANSFER + "=head_only", OVERRIDES % "*.embeddings.*").recipe))
    assert [dotted(path) for path, _ in told] == ["tasks.mood.classification.optimizer"]


@pytest.mark.parametrize(
    "transfer", ["head_only", "{freeze: 2}", "{only: [embeddings]}", "{freeze: {match: ['*.encoder.*']}}"]
)
def test_mixout_needs_layers_that_move(recipe: Path, transfer: str) -> None:
    mixed = "tasks.mood.classification.regularise=[mixout]"
    ((path, words),) = problems(loaded(recipe, mixed, f"{TRANSFER}={transfer}").recipe)
    assert dotted(path) == "tasks.mood.classification.regularise.0"
    name = transfer.strip("{").partition(":")[0]
    assert words == (
        f"mixout: no weight matrix of the model's layers trains by {name}; leave one of them out"
    )
    for moving in ("full", "{only: [-1]}", "{freeze: 1}", "gradual", "{reinitialise: {layers: 1}}"):
        length = "tasks.mood.classification.length=9 epochs"
        assert list(problems(loaded(recipe, mixed, length, f"{TRANSFER}={moving}").recipe)) == []


def test_of_a_checkpoint_the_layers_are_looked_up_too(recipe: Path, tmp_path: Path) -> None:
    own = checkpoint(tmp_path / "模型")
    ((path, words),) = problems(loaded(recipe, own, TRANSFER + "={only: [0, 7]}").recipe)
    assert dotted(path) == TRANSFER and "has no block 7; its blocks are 0 to 1" in words
    ((_, words),) = problems(loaded(recipe, own, TRANSFER + "={reinitialise: 3}").recipe)
    assert "2 layers, asked to draw 3 anew" in words
    ((_, words),) = problems(loaded(recipe, own, TRANSFER + "={only: ['*.byas']}").recipe)
    assert "'*.byas' matches no parameter" in words
    assert list(problems(loaded(recipe, own, TRANSFER + "={only: [0, classifier.*]}").recipe)) == []


def test_what_draws_classes_together_has_rates_of_its_own_whatever_follows(recipe: Path) -> None:
    def told(way: str, pattern: str) -> list[str]:
        found = problems(loaded(recipe, f"{TRANSFER}={way}", OVERRIDES % pattern).recipe)
        return [words for _, words in found]

    assert told("contrast", "*.attention.*") == told("{contrast: {then: head_only}}", "*.attention.*") == []
    (words,) = told("contrast", "*.atention.*")
    assert "matches no parameter" in words
    with pytest.raises(RecipeError, match="features trains nothing by gradients"):
        told("{reinitialise: {then: features}}", "*.attention.*")


def test_a_checkpoint_on_a_hub_is_passed_over(recipe: Path) -> None:
    far = "model={family: bert, checkpoint: someone/some-model}"
    assert list(problems(loaded(recipe, far, TRANSFER + "={only: ['*.byas']}").recipe)) == []


@pytest.mark.parametrize("share", ["body", "embeddings"])
def test_tasks_learnt_together_have_their_own_names(recipe: Path, share: str) -> None:
    def told(pattern: str) -> list[str]:
        optimizer = f"{{adamw: {{overrides: [{{match: '{pattern}', rate: 2}}]}}}}"
        together = f"together={{share: {share}, optimizer: {optimizer}}}"
        return [f"{dotted(path)}: {words}" for path, words in problems(loaded(recipe, together).recipe)]

    assert told("*.classifier.*") == []
    (found,) = told("*.clasifier.*")
    assert found.startswith("together.optimizer: ") and "matches no parameter" in found


def test_a_recipe_for_a_corpus_trains_nothing(recipe: Path) -> None:
    from acclimate.recipe.sections import recipe_or_corpus

    recipe.write_text(RECIPE.replace("model: {family: bert, size: tiny}\n", ""), "utf-8")
    bare = load_recipe(recipe, [TRANSFER + "={only: ['*.byas']}"], recipe_or_corpus)
    assert list(problems(bare.recipe)) == []


def test_nothing_is_built_for_a_recipe_that_names_nothing(recipe: Path) -> None:
    ask = (
        "import sys; from pathlib import Path; from acclimate.pipeline.trainable import require_trainable as ask; "
        "from acclimate.recipe.loading import load_recipe; "
        "ask(load_recipe(Path(sys.argv[1]), [])); print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", ask, str(recipe)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
