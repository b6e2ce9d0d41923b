"""A head that knows which period it answers for, and an objective that tells it.

Legend: B sequences, F features, C classes, K time features, N sequences of a store.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from acclimate.batching.packed import PackedBatch
from acclimate.kernels.products import forget_copies
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Wrapped
from acclimate.transfer.methods.heads_put_in import head_place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel


def phases(times: Tensor, cycles: Sequence[float]) -> Tensor:
    """[B] times → [B, K] sin and cos of 2πt/P for every P."""
    angles = times.double()[:, None] * (2 * math.pi / torch.tensor(cycles, dtype=torch.float64))
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


class TimedHead(nn.Module):  # type: ignore[misc]
    """[B, F] → [B, C]: (W + Σ_k φ_k(t)·V_k)·z + b + Σ_k φ_k(t)·c_k, at any one time a linear layer.

    V and c begin at 0: so it starts as the layer that it is made of. Where that has no b there is no c either.
    """

    def __init__(self, still: nn.Linear, cycles: Sequence[float]) -> None:
        super().__init__()
        self.still, self.cycles = still, tuple(cycles)
        number = 2 * len(self.cycles) * still.out_features
        self.turning = nn.Linear(still.in_features, number, bias=still.bias is not None)
        for one in self.turning.parameters():
            nn.init.zeros_(one)
        self.now = 0
        """The period that it answers for, where a batch does not say."""
        self.times: Tensor | None = None
        """[B] the periods of the batch that is run."""

    def forward(self, features: Tensor) -> Tensor:
        times = torch.tensor([self.now]) if self.times is None else self.times
        by = phases(times, self.cycles).to(features)
        turned = self.turning(features).view(len(features), by.shape[1], -1)
        return self.still(features) + (turned * by.unsqueeze(2)).sum(dim=1)

    @torch.no_grad()
    def at(self, time: int) -> nn.Linear:
        """What it is at this time."""
        by = phases(torch.tensor([time]), self.cycles)[0].to(self.turning.weight)
        weight, bias, own = self.turning.weight, self.turning.bias, self.still.bias
        layer = nn.Linear(weight.shape[1], self.still.out_features, bias=own is not None).to(weight)
        layer.weight.copy_(self.still.weight + torch.einsum("k,kcf->cf", by, _by_feature(weight, len(by))))
        if own is not None:
            layer.bias.copy_(own + by @ _by_feature(bias, len(by)))
        return layer


def _by_feature(values: Tensor, number: int) -> Tensor:
    return values.view(number, -1, *values.shape[1:])


def timed_heads(model: nn.Module) -> list[TimedHead]:
    return [one for one in model.modules() if isinstance(one, TimedHead)]


def put_time_in(model: PreTrainedModel, cycles: Sequence[float]) -> None:
    """Make the layer that gives the classes their scores depend on time."""
    place = head_place(model, "keep.prospective")
    model.set_submodule(place, TimedHead(model.get_submodule(place), cycles))  # type: ignore[arg-type]


def take_time_out(model: PreTrainedModel, time: int) -> None:
    """Leave an ordinary model: that of this time."""
    for name, one in list(model.named_modules()):
        if isinstance(one, TimedHead):
            model.set_submodule(name, one.at(time))
    forget_copies()


class InTime(Wrapped):
    """An objective whose sequences are of different times."""

    def __init__(self, inner: Any, times: NDArray[np.int64]) -> None:
        """times: [N]"""
        super().__init__(inner)
        self._times = times

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        with self._told(model, batch):
            return self.inner.loss(model, batch)  # type: ignore[no-any-return]

    def scored(self, model: PreTrainedModel, batch: PackedBatch) -> tuple[Loss, Tensor]:
        with self._told(model, batch):
            return self.inner.scored(model, batch)  # type: ignore[no-any-return]

    @contextmanager
    def _told(self, model: PreTrainedModel, batch: PackedBatch) -> Iterator[None]:
        heads = timed_heads(model)
        for one in heads:
            one.times = torch.from_numpy(self._times[batch.ids])
        try:
            yield
        finally:
            for one in heads:
                one.times = None
