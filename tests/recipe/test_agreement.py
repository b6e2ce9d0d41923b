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


FILES = {"train": "a.tsv", "test": "b.tsv"}


@pytest.mark.parametrize(
    ("pretrain", "task", "message"),
    [
        ({"objective": "sop", "regularise": ["r_drop"]}, {}, "which sop does not tell"),
        ({"objective": "mlm", "regularise": ["r_drop", {"r_drop": 2}]}, {}, "r_drop stands here twice"),
        ({"objective": "mlm", "average": "ema", "optimizer": "nt_asgd"}, {}, "averages the weights itself"),
        ({"objective": "mlm"}, {"average": "swa", "optimizer": "nt_asgd"}, "averages the weights itself"),
        ({"objective": "mlm"}, {"regularise": ["mixout", "mixout"]}, "mixout stands here twice"),
        ({"objective": "mlm"}, {"smoothing": {"uniform": 1.0}}, "less than 100%"),
        ({"objective": "mlm", "average": {"swa": 1.0}}, {}, "nothing would be averaged"),
    ],
)
def test_what_regularises_nothing_is_refused(
    pretrain: dict[str, Any], task: dict[str, Any], message: str
) -> None:
    whole = recipe({"family": "bert"}, "mlm", tasks={"topic": {"classification": FILES | task}})
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(whole | {"pretrain": pretrain})


def test_regularisers_and_averages_that_fit_are_taken() -> None:
    task = FILES | {"regularise": ["mixout", "r_drop"], "average": "swa", "smoothing": "complement"}
    whole = recipe({"family": "bert"}, "mlm", tasks={"topic": {"classification": task}})
    whole["pretrain"] |= {"regularise": ["r_drop"], "average": "ema"}
    assert Recipe.model_validate(whole)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"transfer": {"features": "svm"}, "regularise": ["mixout"]}, "features would pass over it"),
        ({"transfer": {"features": "svm"}, "average": "swa"}, "features trains no weights to average"),
        (
            {"transfer": {"reinitialise": {"layers": 1, "then": {"features": "svm"}}}, "average": "ema"},
            "features trains no weights",
        ),
        ({"transfer": "contrast", "regularise": ["r_drop"]}, "would pass over it"),
    ],
)
def test_what_a_fitted_head_would_pass_over_is_refused(task: dict[str, Any], message: str) -> None:
    whole = recipe({"family": "bert"}, "mlm", tasks={"topic": {"classification": FILES | task}})
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(whole)


def test_tasks_learnt_together_are_regularised_as_one() -> None:
    topic = {"classification": FILES}
    likeness = {"regression": FILES}
    two = {"a": topic, "b": topic}
    whole = recipe({"family": "bert"}, "mlm")
    assert Recipe.model_validate(
        whole | {"tasks": two, "together": {"regularise": ["r_drop"], "average": "ema"}}
    )
    for tasks, together, message in (
        ({"a": topic, "b": likeness}, {"regularise": ["r_drop"]}, "which regression does not tell"),
        (two, {"average": "ema", "optimizer": "nt_asgd"}, "averages the weights itself"),
        (two | {"b": {"classification": FILES | {"average": "ema"}}}, {}, "its own `average` would have no"),
        (
            two | {"groups": {"clustering": {"data": {"path": "x.tsv"}}}},
            {},
            r"nothing is learnt for groups \(clustering\), so not together with others either; name those",
        ),
        (
            two | {"b": {"classification": FILES | {"regularise": ["mixout"]}}},
            {},
            "its own `regularise` would",
        ),
    ):
        with pytest.raises(ValidationError, match=message):
            Recipe.model_validate(whole | {"tasks": tasks, "together": together})
