"""Weights averaged over the steps of a training, and validated in the place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from acclimate.optim.each_parameter import EachParameter


class Trigger:
    """Hears validations, and tells when the loss no longer falls."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._losses: list[float] = []
        self.pulled = False

    def observe(self, loss: float) -> None:
        """Hear the loss of a validation."""
        if not self.pulled and len(self._losses) > self._n and loss > min(self._losses[: -self._n]):
            self.pulled = True
        self._losses.append(loss)

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self._losses, "pulled": self.pulled}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._losses, self.pulled = list(state["losses"]), state["pulled"]


class AveragingSgd(EachParameter):
    """`nt_asgd`."""

    def __init__(self, groups: list[dict[str, Any]], defaults: dict[str, Any], *, n: int) -> None:
        super().__init__(groups, defaults)
        self.trigger = Trigger(n)

    def update(
        self, weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> None:
        weight.sub_(gradient.add(weight, alpha=group["weight_decay"]), alpha=group["lr"])
        if not self.trigger.pulled:
            return
        if not state:
            state["steps"], state["average"] = torch.zeros(()), torch.zeros_like(weight)
        state["steps"] += 1
        state["average"].lerp_(weight, 1 / float(state["steps"]))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has the averaged weights, where there are any."""
        kept = [(weight, weight.detach().clone()) for weight in self._with_average()]
        self.settle()
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, before in kept:
                    weight.copy_(before)

    @torch.no_grad()
    def settle(self) -> None:
        """Give the model the averaged weights, where there are any, for good."""
        for weight in self._with_average():
            weight.copy_(self.state[weight]["average"])

    def _with_average(self) -> list[Tensor]:
        weights = [one for group in self.param_groups for one in group["params"]]
        return [one for one in weights if "average" in self.state.get(one, {})]
