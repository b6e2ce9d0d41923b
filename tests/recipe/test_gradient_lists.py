"""Which lists of gradient transforms are refused, and what else of a recipe they do not go with."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.recipe.registry import registry
from acclimate.recipe.sections import Recipe

REFERENCE = {"project_negative": {"reference": {"path": "general.txt"}}}
TASK = {"topic": {"classification": {"train": "a.tsv", "test": "b.tsv"}}}


def recipe(gradients: list[Any], objective: Any = "mlm", **more: Any) -> dict[str, Any]:
    return {
        "corpus": {"sources": [{"path": "a.txt"}]},
        "model": {"family": "gpt2" if objective == "clm" else "bert"},
        "pretrain": {"objective": objective, "gradients": gradients},
        **more,
    }


def entry(name: str) -> Any:
    return REFERENCE if name == "project_negative" else name


NAMES = sorted(set(registry.names("gradient")) - {"project_conflicts"})  # which is for several tasks
BY_NORM = {"clip_norm", "clip_percentile", "clip_accumulated"}
ONE_PARAMETER = {"clip_value", "clip_negative", "clip_adaptive", "centralize", "coupled_decay"}


@pytest.mark.parametrize("names", list(combinations(NAMES, 2)), ids="+".join)
def test_every_pair_is_taken_or_refused_by_both_names(names: tuple[str, str]) -> None:
    twice = set(names) <= BY_NORM
    fused = "accumulate_by_layer" in names and not set(names) & ONE_PARAMETER
    if not (twice or fused):
        assert Recipe.model_validate(recipe([entry(one) for one in names])).pretrain
        return
    for order in (names, names[::-1]):
        with pytest.raises(ValidationError) as error:
            Recipe.model_validate(recipe([entry(one) for one in order]))
        message = error.value.errors()[0]["msg"]
        assert all(name in message for name in names), message
        if twice:
            assert f"{order[0]} and {order[1]}: clipping by norm twice" in message


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stands_twice(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}.*twice; leave one of them out"):
        Recipe.model_validate(recipe([entry(name), entry(name)]))


@pytest.mark.parametrize(
    ("gradients", "more", "message"),
    [
        (["accumulate_by_layer"], {"hardware": {"micro_batch": "4k tokens"}}, "takes a batch at once"),
        (["accumulate_by_layer"], {"hardware": {"ranks": 2}}, "ranks sum their gradients before"),
        (["accumulate_by_layer"], {"hardware": {"precision": "fp16"}}, "nearest: bf16"),
        (["mask_loss"], {"hardware": {"ranks": 2}}, "ranks do not share the losses"),
        (["mask_loss"], {"regularise": ["r_drop"]}, "r_drop leaves no loss for each sequence"),
        (["mask_loss"], {"objective": "nsp"}, "nsp has no loss for each sequence.*mlm.*clm"),
        (["mask_loss"], {"objective": {"mix": {"of": ["mlm", "nsp"]}}}, "mix has no loss for each sequence"),
        ([REFERENCE], {"hardware": {"ranks": 2}}, "not shared by ranks"),
        ([REFERENCE], {"objective": "clm_stream"}, "which clm_stream does not take"),
    ],
)
def test_what_it_does_not_go_with_is_told(gradients: list[Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as error:
        regularise = {"regularise": more["regularise"]} if "regularise" in more else {}
        data = recipe(gradients, **{key: one for key, one in more.items() if key != "regularise"})
        data["pretrain"] |= regularise
        if more.get("objective") == "clm_stream":
            data |= {"model": {"family": "lstm"}}
            data["pretrain"]["batch"] = "4 sequences"
        Recipe.model_validate(data)
    assert error.value.errors()[0]["loc"][:3] == ("pretrain", "gradients", 0)


def test_sums_of_layers_go_with_everything() -> None:
    sums = {"accumulate_by_layer": {"fused": False, "share": True}}
    hardware = {"micro_batch": "4k tokens", "ranks": 2}
    assert Recipe.model_validate(recipe([sums, {"clip_norm": 1}], hardware=hardware)).pretrain


def test_a_task_takes_masks_and_fused_steps_and_no_reference() -> None:
    def task(gradients: list[Any]) -> Recipe:
        settings = TASK["topic"]["classification"] | {"gradients": gradients}
        return Recipe.model_validate(recipe([], tasks={"topic": {"classification": settings}}))

    assert task(["mask_loss", {"clip_norm": 1}]).tasks and task(["accumulate_by_layer"]).tasks
    with pytest.raises(ValidationError, match="a task has no objective for reference texts") as error:
        task([REFERENCE])
    assert error.value.errors()[0]["loc"][:2] == ("tasks", "topic")


TWO = {"a": TASK["topic"], "b": TASK["topic"]}
MIXED = {"mix": {"of": ["mlm", {"tlm": {"pairs": "pairs.tsv"}}]}}
CONFLICTS: list[tuple[dict[str, Any], str | None]] = [
    ({"tasks": TWO, "together": {"gradients": ["project_conflicts", {"clip_norm": 1}]}}, None),
    ({"objective": MIXED, "gradients": ["project_conflicts"]}, None),
    ({"gradients": ["project_conflicts"]}, "nothing conflicts where one thing is learnt"),
    (
        {
            "tasks": {
                "a": {
                    "classification": TASK["topic"]["classification"] | {"gradients": ["project_conflicts"]}
                }
            }
        },
        "nothing conflicts where one thing is learnt",
    ),
    (
        {"objective": MIXED, "gradients": ["project_conflicts"], "hardware": {"ranks": 2}},
        "ranks do not share each task's gradient",
    ),
    (
        {
            "tasks": TWO,
            "together": {
                "gradients": [{"accumulate_by_layer": {"fused": False, "share": True}}, "project_conflicts"]
            },
        },
        "accumulate_by_layer uses up",
    ),
    ({"tasks": TWO, "together": {"gradients": ["mask_loss"]}}, "several tasks has no threshold"),
    ({"tasks": TWO, "together": {"gradients": [REFERENCE]}}, "a task has no objective for reference texts"),
]


@pytest.mark.parametrize(("more", "message"), CONFLICTS)
def test_conflicts_are_projected_where_several_things_are_learnt(
    more: dict[str, Any], message: str | None
) -> None:
    data = recipe(more.get("gradients", []), more.get("objective", "mlm"))
    data |= {key: one for key, one in more.items() if key not in ("gradients", "objective")}
    data["model"] = {"family": "xlm"} if more.get("objective") else data["model"]
    if message is None:
        assert Recipe.model_validate(data)
        return
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(data)


@pytest.mark.parametrize("objective", ["mlm", "clm"])
def test_examples_can_be_masked_of_what_has_losses_by_sequence(objective: str) -> None:
    assert Recipe.model_validate(recipe(["mask_loss"], objective)).pretrain


@pytest.mark.parametrize("value", [{"share": 0.1, "deviations": 2}, {"share": "0%"}, {"share": "100%"}])
def test_a_threshold_is_one_and_leaves_some(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"two thresholds|more than 0%"):
        Recipe.model_validate(recipe([{"mask_loss": value}]))


def test_what_helps_is_advised_only_where_it_is_taken() -> None:
    """Without `share`, nothing is left of accumulate_by_layer when it is not fused."""
    for settings, advised in (({}, False), ({"share": True}, True)):
        one = {"accumulate_by_layer": settings}
        for gradients, more in (([one, "noise"], {}), ([one], {"hardware": {"micro_batch": "8 sequences"}})):
            with pytest.raises(ValidationError) as error:
                Recipe.model_validate(recipe(gradients, **more))
            assert ("set `fused: false`" in str(error.value)) == advised
            if advised:
                loose = {"accumulate_by_layer": {**settings, "fused": False}}
                assert Recipe.model_validate(recipe([loose, *gradients[1:]], **more))
