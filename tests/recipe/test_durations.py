"""What would come to nothing within its training is told of at its place, with what would do; the rest is not."""

from __future__ import annotations

from typing import Any

import pytest

from acclimate.recipe.durations import come_to_nothing
from acclimate.recipe.problems import dotted
from acclimate.recipe.sections import Recipe

TASK = {"classification": {"train": "a.tsv", "test": "b.tsv"}}


def found(**more: Any) -> list[tuple[str, str]]:
    whole = {"corpus": {"sources": ["a.txt"]}, "model": {"family": "bert"}, **more}
    return [(dotted(path), message) for path, message in come_to_nothing(Recipe.model_validate(whole))]


def short(**more: Any) -> list[tuple[str, str]]:
    return found(pretrain={"length": "30 steps", **more})


def task(**more: Any) -> list[tuple[str, str]]:
    return found(tasks={"topic": {"classification": TASK["classification"] | more}})


@pytest.mark.parametrize(
    ("settings", "place", "words"),
    [
        (
            {"schedule": {"linear": {"warmup": "100 steps"}}},
            "schedule.linear.warmup",
            "the training is over after '30 steps', before the rate has reached its peak; "
            "expected '30 steps' at most, found '100 steps'",
        ),
        (
            {"schedule": {"inverse_sqrt": {"warmup": "2 hours"}}, "length": "90 minutes"},
            "schedule.inverse_sqrt.warmup",
            "expected '90 minutes' at most, found '2 hours'",
        ),
        (
            {"gradients": [{"clip_norm": 1}, {"mask_loss": {"warmup": 500}}]},
            "gradients.1.mask_loss.warmup",
            "nothing would be left out within '30 steps'; expected less than 30, found 500",
        ),
        (
            {"average": {"swa": {"every": 1000}}},
            "average.swa.every",
            "no such step comes in the last 25% of '30 steps'; expected 7 at most, found 1000",
        ),
        (
            {"schedule": "plateau"},
            "schedule.plateau",
            "the rate falls after 2 validations at the earliest, and of '30 steps' there are 0 before the end",
        ),
        (
            {"schedule": "plateau", "validate": {"every": "15 steps"}},
            "schedule.plateau",
            "there are 1 before",
        ),
        (
            {"schedule": {"plateau": {"patience": 3}}, "validate": {"every": "10 steps"}},
            "schedule.plateau",
            "falls after 4 validations",
        ),
        (
            {"optimizer": {"nt_asgd": {"n": 50}}, "validate": {"every": "3 steps"}},
            "optimizer.nt_asgd.n",
            "averaging begins at the validation 52 at the earliest, and of '30 steps' there are 9 before the end; "
            "expected 7 at most, found 50",
        ),
        (
            {"optimizer": "nt_asgd", "validate": {"every": "15 steps"}},
            "optimizer.nt_asgd.n",
            "validate more often, or train for longer, found 5",
        ),
    ],
)
def test_it_is_told_at_its_place(settings: dict[str, Any], place: str, words: str) -> None:
    ((where, message),) = short(**settings)
    assert where == f"pretrain.{place}" and words in message


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": {"linear": {"warmup": "30 steps"}}},
        {"schedule": {"linear": {"warmup": "100%"}}},
        {
            "schedule": {"linear": {"warmup": "100 steps"}},
            "length": "2 epochs",
        },  # nobody knows before the text
        {"schedule": {"inverse_sqrt": {"warmup": "10k steps", "flat": True}}},  # T5's: at its peak all along
        {"gradients": [{"mask_loss": {"warmup": 29}}]},
        {"gradients": ["mask_loss"], "length": "20k tokens"},
        {"average": {"swa": {"every": 30}}},
        {"average": {"swa": {"every": 7}}},
        {"average": "ema"},
        {"schedule": "plateau", "validate": {"every": "10 steps"}},
        {"schedule": "plateau", "length": "1M tokens"},
        {"optimizer": {"nt_asgd": {"n": 7}}, "validate": {"every": "3 steps"}},
    ],
)
def test_what_can_come_to_something_or_cannot_be_compared_is_taken(settings: dict[str, Any]) -> None:
    assert short(**settings) == []


def test_whatever_is_advised_comes_in_time() -> None:
    ((_, message),) = short(average={"swa": {"every": 16}})
    assert "expected 7 at most" in message
    assert not any(short(average={"swa": {"every": every}}) for every in range(1, 8))


def test_tasks_are_validated_once_an_epoch() -> None:
    ((place, message),) = task(length="2 epochs", schedule="plateau")
    assert (
        place == "tasks.topic.classification.schedule.plateau" and "'2 epochs' there are 1 before" in message
    )
    assert task(length="3 epochs", schedule="plateau") == [] == task(length="90 steps", schedule="plateau")
    ((place, message),) = task(length="90 steps", schedule={"linear": {"warmup": "91 steps"}})
    assert place == "tasks.topic.classification.schedule.linear.warmup"
    two = {"a": TASK, "b": TASK}
    ((place, _),) = found(tasks=two, together={"length": "2 epochs", "optimizer": "nt_asgd"})
    assert place == "together.optimizer.nt_asgd.n"
