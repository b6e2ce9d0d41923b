"""The runs of a study, and that every study which ships is sound in all its variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.artifacts.durable import write_json
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.problems import RecipeError
from acclimate.recipe.resolving import resolved
from acclimate.search.variants import trials

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
STUDIES = [one for one in sorted((ROOT / "recipes").glob("*.yaml")) if "\nstudy:" in one.read_text("utf-8")]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_variant_of_a_shipped_study_is_sound(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not here: {DATA} is no folder")
    layers = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 2, "num_hidden_layers": 2}
    write_json(tmp_path / "config.json", {"model_type": "bert", "vocab_size": 8000, **layers})
    monkeypatch.setenv("GENERAL", str(tmp_path))
    monkeypatch.setenv("DATA", str(DATA))
    loaded, planned = trials(path)
    assert loaded.recipe.study is not None
    assert len(planned) == (1 + len(loaded.recipe.study.variants)) * len(loaded.recipe.study.seeds)
    names = {(one.loaded.recipe.name, one.seed) for one in planned}
    assert len(names) == len(planned), "two variants write into one folder"


RECIPE = """\
name: small
corpus: {sources: [{path: text.txt, documents: line}]}
model: {family: bert, size: tiny}
pretrain: {length: 2 steps, sequence_length: 32}
study:
  seeds: [3, 4]
  variants:
    clip_percentile_p10_w100: {pretrain.gradients: [clip_percentile]}
    clip_percentile_p10_w200: {pretrain.optimizer: sgd}
    a b: {pretrain.length: 3 steps}
    a_b: {pretrain.length: 4 steps}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("文字 words\n" * 9, encoding="utf-8")
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_every_run_has_a_name_of_its_own_and_is_the_recipe_with_its_seed(recipe: Path) -> None:
    _, planned = trials(recipe)
    assert len({one.loaded.recipe.name for one in planned}) == 5
    assert all(len(one.loaded.recipe.name) <= 64 for one in planned)
    for one in planned:
        assert one.loaded.recipe.seed == one.seed
        if one.variant == "a b":
            changes = [
                "study=null",
                f"seed={one.seed}",
                f"name={one.loaded.recipe.name}",
                "pretrain.length=3 steps",
            ]
            assert resolved(load_recipe(recipe, changes).recipe) == resolved(one.loaded.recipe)


def test_problems_of_all_variants_are_told_at_once(recipe: Path) -> None:
    wrong = RECIPE.replace("sgd}", "sdg}").replace("[clip_percentile]", "[clip_percntile]")
    recipe.write_text(wrong, encoding="utf-8")
    with pytest.raises(RecipeError) as told:
        trials(recipe)
    assert [(one.place.line, one.path[2]) for one in told.value.problems] == [
        (8, "clip_percentile_p10_w100"),
        (9, "clip_percentile_p10_w200"),
    ]


def test_what_is_wrong_with_the_recipe_itself_is_told_once(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("text.txt", "txet.txt"), encoding="utf-8")
    with pytest.raises(RecipeError) as told:
        trials(recipe)
    (problem,) = told.value.problems
    assert "txet.txt" in problem.message and problem.path[0] == "corpus"
