"""Model soups: the weights of several tunings from one start, averaged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.recipe.settings import problem
from acclimate.transfer.methods.features import Features
from acclimate.transfer.methods.method import Prelude, chain

if TYPE_CHECKING:
    from torch import Tensor

    from acclimate.transfer.tuning import Course, Tuned

_APART = 7919
"""Between the seeds of ingredients, so that none is that of another training of the recipe."""


class Soup(Prelude):
    """The same start, body and head, is tuned several times with other orders and dropout, and the weights are
    averaged: one model to serve, several times the training.

    Source: Wortsman et al. 2022, "Model soups". uniform: the mean of all. greedy: from the best by validation downwards
    each is added if the mean is then no worse.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "soup")
    bare: ClassVar[str | None] = "models"

    models: int = Field(default=3, ge=2, le=100)
    """How many are tuned."""
    by: Literal["greedy", "uniform"] = "greedy"
    """Which of them are averaged."""

    @model_validator(mode="after")
    def _has_a_mean(self) -> Soup:
        steps = chain(self.then)
        if isinstance(last := steps[-1], Features):
            if last.by == "forest":
                raise problem("then: a forest has no mean with another; fit it without soup", at=("then",))
            if last.vector is not None:
                words = "then: a head over a `vector` is not the model's own, of which means are made; leave one out"
                raise problem(words, at=("then",))
            if not any(one.trains_all_first for one in steps):
                words = "then: features trains nothing by gradients, and all would be the same; fit it without soup"
                raise problem(words, at=("then",))
        return self

    def conduct(self, course: Course) -> Tuned:
        from acclimate.transfer.methods.phased import validated
        from acclimate.transfer.tuning import Tuned

        start = _weights(course)
        cooked: list[tuple[float, int, dict[str, Tensor]]] = []
        tuned = []
        for number in range(self.models):
            _take(course, start)
            tuned.append(self.following.conduct(replace(course, seed=course.seed + number * _APART)))
            cooked.append((tuned[-1].validation_loss, number, _weights(course)))
        cooked.sort(key=lambda one: one[:2])
        chosen = [weights for _, _, weights in cooked] if self.by == "uniform" else [cooked[0][2]]
        _take(course, _mean(chosen))
        loss = validated(course).loss
        for _, _, weights in cooked[1:] if self.by == "greedy" else ():
            _take(course, _mean([*chosen, weights]))
            found = validated(course).loss
            if found <= loss:
                chosen, loss = [*chosen, weights], found
        _take(course, _mean(chosen))
        return Tuned(
            loss,
            sum(one.steps for one in tuned),
            sum(one.tokens for one in tuned),
            sum(one.seconds for one in tuned),
        )


def _weights(course: Course) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in course.model.state_dict().items()}


def _take(course: Course, weights: dict[str, Tensor]) -> None:
    course.model.load_state_dict(weights)


def _mean(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    import torch

    return {
        name: torch.stack([one[name].double() for one in parts]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first
        for name, first in parts[0].items()
    }
