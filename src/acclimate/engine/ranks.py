"""Several processes that take the same steps together, each with a share of the step's sequences.

Order of events in a step, on every rank:

    take the step's sequences, keep the own share (`batching/shares.py`) → count its targets
    `begin`: targets over all ranks, the clock of rank 0 → forward and backward over the own share
    `sum_gradients`: loss, figures and gradients over all ranks → transforms and optimizer, on every rank alike

All ranks hold the same weights before and after a step, bit for bit: every sum is made once and handed to all. Rank 0
alone looks at held-out text, logs and saves. There is no other message: what one rank cannot decide from a sum, such
as when to stop, rank 0 decides, and ends the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from acclimate.errors import UserError

if TYPE_CHECKING:
    from acclimate.engine.state import TrainState

COMPARE_EVERY = 256
"""Steps between two looks at whether all ranks hold the same weights: 5 ms for 11 M of them."""
_MOST_FIGURES = 16
_ALIGNMENT = 64 // 4
"""Gradients start at multiples of a cache line, in fp32."""


class Ranks:
    """The one process of an ordinary training: nothing to sum."""

    rank = 0
    size = 1

    @contextmanager
    def first(self) -> Iterator[None]:
        """What is inside rank 0 does before the others."""
        yield

    def begin(self, targets: list[float], state: TrainState) -> list[float]:
        """The step's targets over all ranks, of each term of the loss. The state's clock becomes that of rank 0,
        which schedules may follow."""
        return targets

    def shared_rate(self, factor: float, state: TrainState) -> float:
        """The schedule's factor for all ranks: rank 0's where it hangs on validations, which only rank 0 makes."""
        return factor

    def sum_gradients(
        self, model: nn.Module, loss: float, figures: dict[str, float]
    ) -> tuple[float, dict[str, float]]:
        """Gradients become their sums over all ranks; returns those of the loss and of the figures."""
        return loss, figures


class Exchange(Protocol):
    """How ranks add up. Every rank makes the same calls in the same order, and none returns before all have come."""

    rank: int
    size: int

    def numbers(self, own: Sequence[float]) -> list[float]:
        """The sums over all ranks, in double precision; the same bits on each."""
        ...

    def row(self, size: int, device: torch.device) -> Tensor:
        """[size] fp32 of this rank's own, to be filled and summed at every step; for another size to be asked anew."""
        ...

    def sum_row(self) -> None:
        """Every rank's row becomes the sum of all. To be called right after a call of `numbers`."""
        ...


class Together(Ranks):
    """One of several ranks."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.rank, self.size = exchange.rank, exchange.size
        self._row: Tensor | None = None
        self._compared: int | None = None

    @contextmanager
    def first(self) -> Iterator[None]:
        if self.rank:
            self._exchange.numbers([0.0])
        yield
        if not self.rank:
            self._exchange.numbers([0.0])

    def begin(self, targets: list[float], state: TrainState) -> list[float]:
        steps = state.progress.steps
        if self._compared is None or steps >= self._compared + COMPARE_EVERY:
            self._compared = steps
            self._require_same(state)
        seconds = state.progress.seconds if self.rank == 0 else 0.0
        *totals, seconds = self._exchange.numbers([*targets, seconds])
        state.progress = replace(state.progress, seconds=seconds)
        return totals

    def shared_rate(self, factor: float, state: TrainState) -> float:
        if not state.listeners:
            return factor
        return self._exchange.numbers([factor if self.rank == 0 else 0.0])[0]

    def sum_gradients(
        self, model: nn.Module, loss: float, figures: dict[str, float]
    ) -> tuple[float, dict[str, float]]:
        """One sum of one row. A parameter that was used on any rank gets a gradient on all.

        A rank without sequences knows no figures; rank 0 always has some, and it is rank 0 that tells them.
        """
        parameters = [one for one in model.parameters() if one.requires_grad]
        places, size = _places(parameters)
        if self._row is None or len(self._row) != size:  # a model that grows has another row in each stage
            self._row = self._exchange.row(size, parameters[0].device)
        views = [
            self._row[at : at + one.numel()].view_as(one) for at, one in zip(places, parameters, strict=True)
        ]
        for view, parameter in zip(views, parameters, strict=True):
            if parameter.grad is None:
                view.zero_()
            else:
                view.copy_(parameter.grad)
        if len(figures) > _MOST_FIGURES:
            raise ValueError(
                f"{len(figures)} figures of a loss, at most {_MOST_FIGURES} are summed over ranks"
            )
        values = [*(figures[name] for name in sorted(figures)), *[0.0] * (_MOST_FIGURES - len(figures))]
        used = [float(parameter.grad is not None) for parameter in parameters]
        summed = self._exchange.numbers([loss, *values, *used])
        self._exchange.sum_row()
        for view, parameter, by in zip(views, parameters, summed[1 + _MOST_FIGURES :], strict=True):
            # In the row itself: nothing is copied back, and the next step fills it anew.
            parameter.grad = view.to(parameter.dtype) if by else None
        return summed[0], dict(zip(sorted(figures), summed[1:], strict=False))

    def _require_same(self, state: TrainState) -> None:
        own = [float(state.progress.steps), float(_checksum(state.model))]
        for mine, sums, what in zip(own, self._exchange.numbers(own), ("step", "weights"), strict=True):
            if sums != mine * self.size:
                raise UserError(
                    f"step {state.progress.steps}: rank {self.rank} stands at another {what} than the others; "
                    "ranks must run on equal machines with equal packages"
                )


def _places(parameters: list[nn.Parameter]) -> tuple[list[int], int]:
    """(where each gradient starts in the row, the row's size)"""
    places, end = [], 0
    for parameter in parameters:
        places.append(end)
        end += -(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT
    return places, end


def _checksum(model: nn.Module) -> int:
    """Of the bits of all weights, below 2^32."""
    found = 0
    for parameter in model.parameters():
        found = zlib.crc32(parameter.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy(), found)
    return found
