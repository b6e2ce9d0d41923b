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


def test_what_is_wrong_with_a_task_is_told_at_its_own_key() -> None:
    def place(settings: dict[str, Any], **more: Any) -> tuple[Any, ...]:
        tasks = {"a": {"classification": FILES}, "b": {"classification": FILES | settings}}
        with pytest.raises(ValidationError) as error:
            Recipe.model_validate(recipe({"family": "bert"}, "mlm", tasks=tasks, **more))
        return tuple(error.value.errors()[0]["loc"])

    average = ("tasks", "b", "classification", "average")
    assert (
        place({"average": "ema", "optimizer": "nt_asgd"}) == average == place({"average": "ema"}, together={})
    )
    assert place({"regularise": ["mixout", "mixout"]}) == ("tasks", "b", "classification", "regularise", 1)


STILL = {"dropout": "0%", "attention_dropout": "0%"}


@pytest.mark.parametrize(
    ("family", "objective", "words"),
    [
        (
            {"family": "bert", **STILL},
            "mlm",
            "the model has none here; set `model.dropout`, to 10% for example",
        ),
        ({"family": "modernbert"}, "mlm", "set `model.dropout`"),
        ({"family": "llama"}, "clm", "set `model.attention_dropout`, to 10%"),
    ],
)
def test_two_draws_of_no_dropout_are_refused(family: dict[str, Any], objective: str, words: str) -> None:
    twice = {"objective": objective, "regularise": ["mixout", "r_drop"]}
    with pytest.raises(ValidationError, match="r_drop compares two draws of dropout, and ") as error:
        Recipe.model_validate(recipe(family, objective) | {"pretrain": twice})
    assert error.value.errors()[0]["loc"] == ("pretrain", "regularise", 1)
    assert words in error.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "family",
    [
        {"family": "bert", "dropout": "0%"},
        {"family": "llama", "attention_dropout": "10%"},
        {"family": "transformer", **STILL, "layerdrop": "10%"},
        {"family": "lstm", "size": "medium"},  # half of it, as the size has it
    ],
)
def test_one_kind_of_dropout_is_enough(family: dict[str, Any]) -> None:
    objective = "mlm" if family["family"] in ("bert", "transformer") else "clm"
    whole = recipe(family, objective) | {"pretrain": {"objective": objective, "regularise": ["r_drop"]}}
    assert Recipe.model_validate(whole)


def test_dropout_of_an_adapter_is_enough() -> None:
    adapters = {"kind": "lora", "dropout": "10%"}
    task = FILES | {"regularise": ["r_drop"], "transfer": {"adapters": adapters}}
    whole = recipe({"family": "bert", **STILL}, "mlm", tasks={"topic": {"classification": task}})
    assert Recipe.model_validate(whole)
