"""Whether the sections of a recipe fit each other, with the shipped components."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.recipe.sections import Recipe

FORMS = {"mvlm": {"forms": {"funsd": {"path": "forms"}}}}


def recipe(family: dict[str, Any], objective: Any, **more: Any) -> dict[str, Any]:
    return {
        "corpus": {"sources": [{"path": "a.txt"}]},
        "model": family,
        "pretrain": {"objective": objective},
        **more,
    }


@pytest.mark.parametrize(
    ("family", "objective", "message"),
    [
        ({"family": "gpt2"}, "mlm", r"gpt2 cannot learn by mlm: it has no head for it; gpt2 takes: .*clm"),
        ({"family": "bert"}, "clm", r"bert cannot learn by clm: it has no head for it; bert takes: .*mlm"),
        ({"family": "bert"}, FORMS, r"bert cannot learn by mvlm: its models take no boxes; bert takes: "),
        ({"family": "clip"}, "mlm", r"clip cannot learn by mlm"),
    ],
)
def test_a_family_without_the_head_or_the_input_is_refused(
    family: dict[str, Any], objective: Any, message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as error:
        Recipe.model_validate(recipe(family, objective))
    assert error.value.errors()[0]["loc"] == ("pretrain", "objective")
    assert "mvlm" not in str(error.value).partition("takes:")[2]


def test_boxes_go_to_a_family_that_takes_them() -> None:
    assert Recipe.model_validate(recipe({"family": "layoutlm"}, FORMS)).pretrain


def test_a_task_needs_a_head_too() -> None:
    task = {"topic": {"classification": {"train": "a.tsv", "test": "b.tsv"}}}
    with pytest.raises(ValidationError, match="clip has no head for classification"):
        Recipe.model_validate({**recipe({"family": "clip"}, "mlm"), "pretrain": None, "tasks": task})
