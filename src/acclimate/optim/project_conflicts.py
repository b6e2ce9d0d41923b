"""Gradients of several tasks without what of each would undo another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from acclimate.optim.stateless import Stateless
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Tensor, nn

    from acclimate.optim.gradients import Gradients


class ProjectConflicts(Component):
    """g = Σ_i ĝ_i: from each task's gradient g_i goes, for every other task j in random order with ĝ_i·g_j < 0, its
    part along g_j: ĝ_i ← ĝ_i − (ĝ_i·g_j / ‖g_j‖²)·g_j.

    For tasks that share weights, in `together` or in the objective `mix`: where one would pull against another, neither
    wins by its size; without conflicts it is the plain sum. Products are taken over the weights that both tasks train.
    Costs a backward pass and a gradient in memory for each task. It stands before clipping, wherever it is in the list.
    Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning" (PCGrad, algorithm 1).
    Example: `together: {gradients: [project_conflicts, {clip_norm: 1.0}]}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "project_conflicts")
    of_several: ClassVar[bool] = True

    def build(self) -> Reconciler:
        return Reconciler()


class Reconciler(Stateless):
    """The transform. Gradients come to it task by task in the backward passes, and leave it as one."""

    def __init__(self) -> None:
        self._own: dict[int, dict[str, Tensor]] = {}
        self._conflicts = 0

    def take(self, task: int, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Add the gradients that the parameters have now to the task's, and leave the parameters without."""
        own = self._own.setdefault(task, {})
        for name, one in parameters:
            if one.grad is not None:
                own[name] = own[name].add_(one.grad) if name in own else one.grad
                one.grad = None

    def reconcile(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Give the parameters the sum over tasks."""
        import torch

        found = [self._without_conflicts(task, torch.randperm(len(self._own)).tolist()) for task in self._own]
        for name, one in parameters:
            for own in found:
                if name in own:
                    one.grad = own[name] if one.grad is None else one.grad.add_(own[name])
        self._own = {}

    def _without_conflicts(self, task: int, order: list[int]) -> dict[str, Tensor]:
        """The task's gradient; those of the others are as they came, and stay so."""
        import torch

        from acclimate.optim.project_negative import back_along

        mine = {name: one.clone() for name, one in self._own[task].items()}
        tasks = list(self._own)
        for other in (tasks[place] for place in order if tasks[place] != task):
            shared = [name for name in mine if name in self._own[other]]
            ours, theirs = [mine[name] for name in shared], [self._own[other][name] for name in shared]
            factor = back_along(ours, theirs)
            if factor:
                self._conflicts += 1
                torch._foreach_add_(ours, theirs, alpha=factor)
        return mine

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        """What was done in the passes: of how many ordered pairs of tasks one was projected."""
        conflicts, self._conflicts = self._conflicts, 0
        return {"conflicts": float(conflicts)}
