"""The plan of a growing pretraining, and recipes that ask for what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.recipe.growth import Grow, Phase
from acclimate.recipe.sections import Recipe
from acclimate.recipe.units import Length, Progress


def stage(layers: Any = 1, length: str = "30%", **more: Any) -> dict[str, Any]:
    return {"layers": layers, "length": length, **more}


def recipe(grow: Any, model: Any = None, hardware: Any = None, **pretrain: Any) -> Recipe:
    objective = {"mlm": {}} if model is None or model["family"] != "gpt2" else {"clm": {}}
    return Recipe.model_validate(
        {
            "corpus": {"sources": [{"path": "a.txt"}]},
            "model": model or {"family": "bert", "size": "mini"},
            "pretrain": {"objective": objective, "grow": grow, **pretrain},
            "hardware": hardware or {},
        }
    )


def test_stackbert_as_a_recipe_writes_it() -> None:
    grow = Grow.model_validate({"stages": [stage(3, "25%"), stage(6, "35%", rate=0.7)]})
    assert grow.plan(12, Length(200_000, "steps")) == [
        Phase(3, 0, 1.0, Length(50_000, "steps")),
        Phase(6, 0, 0.7, Length(120_000, "steps")),
        Phase(12, 0, 1.0, None),
    ]


def test_mslt_trains_what_is_new_and_in_the_end_all() -> None:
    stages = [stage(layers, "20%") for layers in (3, 6, 9, 12)]
    grow = Grow.model_validate({"stages": stages, "train": "new"})
    assert [(one.layers, one.first) for one in grow.plan(12, Length(10, "epochs"))] == [
        (3, 0),
        (6, 3),
        (9, 6),
        (12, 9),
        (12, 0),
    ]


def test_training_new_layers_alone_needs_a_stage_that_adds_some() -> None:
    with pytest.raises(ValidationError, match="expected one between them, or `train: all`"):
        Grow.model_validate({"stages": [stage(3, "50%")], "train": "new"})


def test_shares_add_up_to_the_step() -> None:
    grow = Grow.model_validate({"stages": [stage(1, "10%"), stage(2, "20%")]})
    until = grow.plan(4, Length(100, "steps"))[1].until
    assert until is not None and until.reached(Progress(steps=30)) and not until.reached(Progress(steps=29))


STAGES, FIRST = ("pretrain", "grow", "stages"), ("pretrain", "grow", "stages", 0)


@pytest.mark.parametrize(
    ("stages", "place", "message"),
    [
        ([], STAGES, "at least 1"),
        ([stage(0)], (*FIRST, "layers"), "1"),
        ([stage(1, "0%")], (*FIRST, "length"), "expected more than 0%: a stage without length"),
        (
            [stage(2), stage(2)],
            (*STAGES, 1, "layers"),
            "expected more than the 2 of the stage before, found 2",
        ),
        (
            [stage(2), stage(1)],
            (*STAGES, 1, "layers"),
            "expected more than the 2 of the stage before, found 1",
        ),
        (
            [stage(1, "60%"), stage(2, "50%")],
            STAGES,
            "the stages take 110% of the length, which leaves nothing",
        ),
        ([stage(1, "100%")], STAGES, "the stages take 100% of the length"),
        ([stage(1), stage(7)], (*STAGES, 1, "layers"), "the model has 4 layers; expected 4 at most, found 7"),
        (
            [stage(4)],
            (*FIRST, "layers"),
            "that of all 4 layers, comes by itself; expected less than 4, found 4",
        ),
        ([stage(1, rate=0)], (*FIRST, "rate"), "0"),
    ],
)
def test_stages_that_cannot_be(stages: Any, place: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        recipe({"stages": stages})
    (found,) = error.value.errors()
    assert found["loc"] == place and message in found["msg"]


def test_with_new_layers_alone_a_stage_may_have_all_layers() -> None:
    grow = recipe({"stages": [stage(2), stage(4)], "train": "new"}).pretrain.grow  # type: ignore[union-attr]
    assert grow is not None and grow.stages[-1].layers == 4
    assert recipe({"stages": [stage(6)]}, {"family": "transformer", "layers": 7}).model.depth() == 7  # type: ignore[attr-defined]


GROW = {"stages": [stage(1)]}


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        (
            {"model": {"family": "albert"}},
            ("pretrain", "grow"),
            "albert cannot grow: they have no list of layers of their own; these can: bert, transformer, gpt2",
        ),
        ({"model": {"family": "electra"}}, ("pretrain", "grow"), "electra cannot grow"),
        (
            {"model": {"family": "transformer", "share": 2}},
            ("pretrain", "grow"),
            "share weights (`model.share`)",
        ),
        (
            {"model": {"family": "bert", "checkpoint": "somewhere"}},
            ("pretrain", "grow"),
            "would be thrown away",
        ),
        (
            {"optimizer": {"adamw": {"overrides": [{"match": "*.layer.3.*"}]}}},
            ("pretrain", "optimizer", "adamw", "overrides"),
            "not all are there in every stage of `grow`",
        ),
        ({"regularise": ["mixout"]}, ("pretrain", "regularise"), "mixout pulls weights back"),
        ({"average": "ema"}, ("pretrain", "average"), "of different depth cannot be averaged"),
        (
            {"hardware": {"ranks": 2}, "length": "2 hours"},
            ("pretrain", "length"),
            "would not grow at the same step of '2 hours'",
        ),
    ],
)
def test_what_does_not_go_with_growing(changes: Any, place: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        recipe(GROW, **changes)
    (found,) = error.value.errors()
    assert found["loc"] == place and message in found["msg"]


def test_what_goes_with_it() -> None:
    assert recipe(GROW, {"family": "gpt2"}, {"ranks": 2}).pretrain
    assert recipe(GROW, length="2 hours").pretrain
