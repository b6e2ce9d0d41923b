"""Weights averaged over the steps of a training, beside the ones that are trained; they are judged and delivered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import Field, field_validator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Length, Progress, Share

if TYPE_CHECKING:
    from torch import Tensor, nn


class Ema(Component):
    """w̄ ← d·w̄ + (1 − d)·w after every step, with d = min(decay, (1 + t) / (10 + t)) of t steps done.

    An exponential moving average (Polyak and Juditsky 1992; the early d as in TensorFlow's). It evens out the noise of
    the last steps, most where the learning rate ends high.
    """

    registered_as: ClassVar[tuple[str, str]] = ("average", "ema")
    bare: ClassVar[str | None] = "decay"

    decay: float = Field(default=0.999, gt=0, lt=1)
    """How much of the average stays at each step: it looks back over about 1 / (1 − decay) steps."""

    def build(self, *, model: nn.Module, length: Length) -> RunningAverage:
        return RunningAverage(model, _Decay(self.decay))


class Swa(Component):
    """From `start` on w̄ is the mean of the weights after every `every`-th step (Izmailov et al. 2018).

    It looks for the middle of what the last part of a training wanders through, and wants a learning rate that does not
    fall to 0 there: a constant one.
    """

    registered_as: ClassVar[tuple[str, str]] = ("average", "swa")
    bare: ClassVar[str | None] = "start"

    start: Share = 0.75
    """After which share of the length it begins."""
    every: int = Field(default=1, ge=1)
    """Steps between two of the weights that are averaged."""

    @field_validator("start")
    @classmethod
    def _proper(cls, value: float) -> float:
        if value >= 1:
            raise ValueError(f"expected less than 100%, found {value:.0%}: nothing would be averaged")
        return value

    def build(self, *, model: nn.Module, length: Length) -> RunningAverage:
        return RunningAverage(model, _Mean(length, self.start, self.every))


class _Rule(Protocol):
    def share(self, progress: Progress, taken: int) -> float | None:
        """How much of the new weights goes into the average, that `taken` weights have gone into; None: nothing now."""
        ...


class _Decay:
    def __init__(self, decay: float) -> None:
        self._decay = decay

    def share(self, progress: Progress, taken: int) -> float | None:
        return 1 - min(self._decay, (1 + taken) / (10 + taken))


class _Mean:
    def __init__(self, length: Length, start: float, every: int) -> None:
        self._length, self._start, self._every = length, start, every

    def share(self, progress: Progress, taken: int) -> float | None:
        if self._length.done(progress) < self._start * self._length.amount or progress.steps % self._every:
            return None
        return 1 / (taken + 1)


class RunningAverage:
    """The averaged weights; kept with the state of a training."""

    def __init__(self, model: nn.Module, rule: _Rule) -> None:
        import torch

        self._rule = rule
        self._weights = dict(model.named_parameters())
        self._average = {name: one.detach().clone() for name, one in self._weights.items()}
        self._taken = torch.zeros((), dtype=torch.int64)

    def step(self, progress: Progress) -> None:
        """Hear that a step was taken."""
        import torch

        share = self._rule.share(progress, int(self._taken))
        if share is None:
            return
        with torch.no_grad():
            for name, weight in self._weights.items():
                self._average[name].lerp_(weight, share)
        self._taken += 1

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has the averaged weights, once there are any."""
        import torch

        kept = {name: one.detach().clone() for name, one in self._weights.items()}
        self.settle()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(kept[name])

    def settle(self) -> None:
        """Give the model the averaged weights for good, once there are any."""
        import torch

        if int(self._taken):
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(self._average[name])

    def carried(self) -> dict[str, Tensor]:
        return {"taken": self._taken, **self._average}

    def carry(self, tensors: dict[str, Tensor]) -> None:
        self._taken.copy_(tensors["taken"])
        for name, one in self._average.items():
            one.copy_(tensors[name])
