"""Everything a training is at one moment, in one place, saved whole.

There is no random state to keep: the data order is a function of (seed, position), masks of (seed, epoch, sequence),
and dropout of (seed, step), for the loop seeds the generator at every step. So resuming at a step is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acclimate.batching.sampler import Position
from acclimate.engine.loss_scaling import LossScaler
from acclimate.errors import UserError
from acclimate.optim.gradients import GradientTransform
from acclimate.optim.running_average import RunningAverage
from acclimate.recipe.units import Progress


class Listener(Protocol):
    """A part that hears the loss of every validation, such as a schedule that waits; its state is fit for JSON."""

    def observe(self, loss: float) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Carrier(Protocol):
    """A part that keeps tensors from step to step, such as the memory of a recurrent model."""

    def carried(self) -> dict[str, Tensor]: ...

    def carry(self, tensors: dict[str, Tensor]) -> None: ...


def carrying(*parts: Any) -> list[Carrier]:
    """Those of the parts that keep tensors from step to step."""
    return [part for part in parts if hasattr(part, "carried")]


def listening(*parts: Any) -> list[Listener]:
    """Those of the parts that hear validations."""
    return [part for part in parts if hasattr(part, "observe")]


@dataclass
class TrainState:
    """The parts that change while training."""

    model: nn.Module
    optimizer: Optimizer
    gradients: list[GradientTransform]
    listeners: list[Listener] = field(default_factory=list)
    carriers: list[Carrier] = field(default_factory=list)
    scaler: LossScaler = field(default_factory=LossScaler)
    """Of the loss; used in fp16 alone."""
    average: RunningAverage | None = None
    """Weights that are judged and delivered in the place of the trained ones."""
    progress: Progress = Progress()
    position: Position = Position()
    best_loss: float | None = None
    best_step: int | None = None
    validations_without_gain: int = 0
    stopped: bool = False
    """Early stopping has spoken."""
    _fields: tuple[str, ...] = field(
        default=("best_loss", "best_step", "validations_without_gain", "stopped"), init=False, repr=False
    )

    def __post_init__(self) -> None:
        self.listeners = [*self.listeners, *listening(getattr(self.optimizer, "trigger", None))]

    def _all_carriers(self) -> list[Carrier]:
        return [*self.carriers, *carrying(*self.gradients), *carrying(self.average)]

    def _averages(self) -> list[Any]:
        return [one for one in (self.optimizer, self.average) if hasattr(one, "averaged")]

    def stepped(self) -> None:
        """Hear that a step was taken."""
        if self.average is not None:
            self.average.step(self.progress)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model has the weights that averaging them stands for."""
        with ExitStack() as inside:
            for one in self._averages():
                inside.enter_context(one.averaged())
            yield

    def settle(self) -> None:
        """Give the model those weights for good."""
        for one in self._averages():
            one.settle()

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name: `model/…`, `optimizer/<parameter>/…`, `carried/<number>/…`. Tied weights once."""
        found = {f"model/{name}": tensor for name, tensor in _untied(self.model)}
        for name, parameter in _parameters(self.optimizer):
            for key, value in self.optimizer.state.get(parameter, {}).items():
                found[f"optimizer/{name}/{key}"] = value
        for number, carrier in enumerate(self._all_carriers()):
            found |= {f"carried/{number}/{name}": tensor for name, tensor in carrier.carried().items()}
        return found

    def scalars(self) -> dict[str, Any]:
        """Everything else, fit for JSON."""
        return {
            "progress": asdict(self.progress),
            "position": asdict(self.position),
            "gradients": [transform.state_dict() for transform in self.gradients],
            "listeners": [listener.state_dict() for listener in self.listeners],
            "scaler": self.scaler.state_dict(),
            **{name: getattr(self, name) for name in self._fields},
        }

    def load(self, tensors: dict[str, Tensor], scalars: dict[str, Any]) -> None:
        """Become the saved state, in place. Raises UserError when it belongs to another model or optimizer."""
        own = {f"model/{name}": tensor for name, tensor in _untied(self.model)}
        saved = {name for name in tensors if name.startswith("model/")}
        if saved != own.keys():
            odd = sorted(saved ^ own.keys())
            raise UserError(
                f"the checkpoint belongs to another model: {odd[0]} and {len(odd) - 1} more names differ"
            )
        with torch.no_grad():
            for name, tensor in own.items():
                if tensor.shape != tensors[name].shape:
                    raise UserError(f"the checkpoint belongs to another model: {name} has another shape")
                tensor.copy_(tensors[name])
        for name, parameter in _parameters(self.optimizer):
            prefix = f"optimizer/{name}/"
            values = {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}
            if values:
                self.optimizer.state[parameter] = {
                    key: value.clone().to(parameter.device) for key, value in values.items()
                }
        for transform, state in zip(self.gradients, scalars["gradients"], strict=True):
            transform.load_state_dict(state)
        for number, carrier in enumerate(self._all_carriers()):
            prefix = f"carried/{number}/"
            carrier.carry(
                {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
            )
        for listener, state in zip(self.listeners, scalars["listeners"], strict=True):
            listener.load_state_dict(state)
        self.scaler.load_state_dict(scalars["scaler"])
        self.progress = Progress(**scalars["progress"])
        self.position = Position(**scalars["position"])
        for name in self._fields:
            setattr(self, name, scalars[name])


def _untied(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=False).items():
        if tensor.numel() and tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        yield name, tensor


def _parameters(optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    for group in optimizer.param_groups:
        yield from zip(group["names"], group["params"], strict=True)
