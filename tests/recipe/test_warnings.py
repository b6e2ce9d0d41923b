"""Parts that had better not be used say so, with their place."""

from __future__ import annotations

from acclimate.recipe.sections import Recipe
from acclimate.recipe.warnings import warnings_of


def test_clip_negative_is_warned_of_wherever_it_stands() -> None:
    task = {"train": "a.tsv", "test": "b.tsv", "gradients": ["clip_negative", {"clip_norm": 1}]}
    whole = {
        "corpus": {"sources": ["a.txt"]},
        "model": {"family": "bert"},
        "pretrain": {"gradients": [{"clip_norm": 1}, {"clip_negative": 0.1}]},
        "tasks": {"topic": {"classification": task}},
    }
    first, second = warnings_of(Recipe.model_validate(whole))
    assert first.startswith("pretrain.gradients.1.clip_negative: no sound method")
    assert second.startswith("tasks.topic.classification.gradients.0.clip_negative: no sound method")
    del whole["tasks"], whole["pretrain"]
    assert warnings_of(Recipe.model_validate(whole)) == []


def test_what_comes_to_nothing_is_a_warning_for_recipes_are_made_short_to_be_tried() -> None:
    schedule = {"linear": {"warmup": "100 steps"}}
    whole = {
        "corpus": {"sources": ["a.txt"]},
        "model": {"family": "bert"},
        "pretrain": {"length": "30 steps", "schedule": schedule},
    }
    (told,) = warnings_of(Recipe.model_validate(whole))
    assert told.startswith("pretrain.schedule.linear.warmup: the training is over after '30 steps'")
