"""Hooks that act on a parameter's gradient in the backward pass, when all of it is there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn
from torch.optim import Optimizer

from acclimate.optim.gradients import Gradients, GradientTransform, apply_all
from acclimate.optim.parameter_groups import layer_free_name
from acclimate.optim.stateless import Stateless


class NonFiniteGradient(Exception):
    """A gradient is not a number, and layers above it may have been stepped."""


class LayerHooks(Stateless):
    """`accumulate_by_layer`."""

    def __init__(self, *, fused: bool, share: bool) -> None:
        self.fused, self._share = fused, share
        self._sums: dict[str, Tensor] = {}
        self._groups: dict[str, list[tuple[str, nn.Parameter]]] = {}
        self._waiting: dict[str, int] = {}
        self._squares = 0.0

    @contextmanager
    def at_work(
        self, model: nn.Module, optimizer: Optimizer, others: Sequence[GradientTransform]
    ) -> Iterator[None]:
        """Inside, backward passes of one step use up gradients. `others`: transforms that a fused step does first.

        Leaving the block, a step that is not fused finds the sums where gradients are looked for.
        """
        named = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
        self._groups = _namesakes(named) if self._share else {}
        self._waiting = {key: len(members) for key, members in self._groups.items()}
        self._sums, self._squares = {}, 0.0
        # Rows of these are added when the backward pass is over (`kernels/row_gradients.py`).
        tables = {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
        key_of = {name: key for key, members in self._groups.items() for name, _ in members}

        def use(name: str, parameter: nn.Parameter) -> None:
            key = key_of.get(name)
            if key is not None:
                self._add(key, parameter)
                if self.fused:
                    self._waiting[key] -= 1
                    if not self._waiting[key]:
                        self._finish(key, optimizer, others)
            elif self.fused:
                self._step(name, parameter, optimizer, others)

        handles = [
            one.register_post_accumulate_grad_hook(lambda parameter, name=name: use(name, parameter))
            for name, one in named
            if (self.fused and id(one) not in tables) or name in key_of
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
        late = [(name, one, one.grad) for name, one in named if self.fused and one.grad is not None]
        for _, one, _ in late:
            one.grad = None
        for name, one, gradient in late:
            one.grad = gradient
            self._step(name, one, optimizer, others)
        for key in list(self._sums):  # of layers that were left out of this step, some never came
            self._finish(key, optimizer, others)

    def _add(self, key: str, parameter: nn.Parameter) -> None:
        assert parameter.grad is not None
        if key in self._sums:
            self._sums[key].add_(parameter.grad)
        else:
            self._sums[key] = parameter.grad
        parameter.grad = None

    def _finish(self, key: str, optimizer: Optimizer, others: Sequence[GradientTransform]) -> None:
        total = self._sums.pop(key)
        for number, (name, parameter) in enumerate(self._groups[key]):
            parameter.grad = total.clone() if number < len(self._groups[key]) - 1 else total
            if self.fused:
                self._step(name, parameter, optimizer, others)

    def _step(
        self, name: str, parameter: nn.Parameter, optimizer: Optimizer, others: Sequence[GradientTransform]
    ) -> None:
        """Step this parameter, the only one that has a gradient now, and free it."""
        gradients = Gradients([(name, parameter)])
        norm = gradients.norm()
        if not math.isfinite(norm):
            raise NonFiniteGradient(
                f"the gradient of {name} has the norm {norm}; parameters above it were stepped already"
            )
        self._squares += norm**2
        apply_all(others, gradients)
        gradients.hand_over(optimizer)
        optimizer.step()
        parameter.grad = None

    @property
    def norm(self) -> float:
        """Of all gradients that a fused step used up."""
        return self._squares**0.5

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        return {}


def _namesakes(named: list[tuple[str, nn.Parameter]]) -> dict[str, list[tuple[str, nn.Parameter]]]:
    """Parameters inside the blocks by their name without the block's number, where there are several of one shape."""
    groups: dict[str, list[tuple[str, nn.Parameter]]] = {}
    for name, one in named:
        key = layer_free_name(name)
        if key is not None:
            groups.setdefault(f"{key} {tuple(one.shape)}", []).append((name, one))
    return {key: members for key, members in groups.items() if len(members) > 1}
