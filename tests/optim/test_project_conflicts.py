"""Gradient surgery: by the paper's algorithm, by hand where two tasks conflict, and the plain sum where none does."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from acclimate.optim.gradients import Gradients
from acclimate.optim.project_conflicts import Reconciler


def shared(size: int = 6, tasks: int = 2) -> nn.ModuleDict:
    """A body that all tasks train, and a head for each."""
    parts = {"body": nn.Linear(size, 1, bias=False)}
    return nn.ModuleDict(parts | {f"head {n}": nn.Linear(2, 1, bias=False) for n in range(tasks)})


def give(model: nn.ModuleDict, body: torch.Tensor, head: str) -> None:
    model["body"].weight.grad = body.clone().view(1, -1)
    model[head].weight.grad = torch.ones(1, 2)


def reconciled(gradients: list[torch.Tensor], seed: int = 0) -> tuple[torch.Tensor, float]:
    """(the body's gradient, how many projections)"""
    model, transform = shared(len(gradients[0]), len(gradients)), Reconciler()
    for task, one in enumerate(gradients):
        give(model, one, f"head {task}")
        transform.take(task, model.named_parameters())
        assert all(p.grad is None for p in model.parameters())
    torch.manual_seed(seed)
    transform.reconcile(model.named_parameters())
    for task in range(len(gradients)):
        assert torch.equal(model[f"head {task}"].weight.grad, torch.ones(1, 2)), "a head is one task's alone"
    figures = transform(Gradients(model.named_parameters()))
    assert transform(Gradients([])) == {"conflicts": 0.0}, "each step counts its own"
    return model["body"].weight.grad.flatten(), figures["conflicts"]


def test_two_tasks_that_conflict_by_hand() -> None:
    found, conflicts = reconciled([torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])])
    # (1, 0) loses its part along (-1, 1), which is (1/2, -1/2); (-1, 1) its part along (1, 0).
    assert torch.allclose(found, torch.tensor([0.5, 0.5]) + torch.tensor([0.0, 1.0]))
    assert conflicts == 2


def test_opposite_tasks_leave_nothing() -> None:
    found, conflicts = reconciled([torch.tensor([2.0, -4.0]), torch.tensor([-1.0, 2.0])])
    assert torch.allclose(found, torch.zeros(2)) and conflicts == 2


def test_without_conflict_it_is_the_plain_sum() -> None:
    gradients = [torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.0, 3.0, 1.0]), torch.tensor([0.0, 0.0, 2.0])]
    found, conflicts = reconciled(gradients)
    assert torch.equal(found, gradients[0] + gradients[1] + gradients[2]) and conflicts == 0


@pytest.mark.parametrize(("seed", "tasks"), list(product(range(4), (2, 3, 5))))
def test_it_is_algorithm_1(seed: int, tasks: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = [torch.randn(6, generator=generator) for _ in range(tasks)]
    found, conflicts = reconciled(gradients, seed)
    torch.manual_seed(seed)
    expected, count = torch.zeros(6, dtype=torch.float64), 0
    for i in range(tasks):
        mine = gradients[i].double()
        for j in torch.randperm(tasks).tolist():
            other = gradients[j].double()
            if j != i and mine @ other < 0:
                mine, count = mine - (mine @ other) / (other @ other) * other, count + 1
        expected += mine
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    assert conflicts == count
    if tasks == 2:
        assert all(float(found @ one) >= -1e-5 for one in gradients), "neither task's loss rises"


def test_micro_batches_add_up() -> None:
    model, whole = shared(), shared()
    parts = [torch.randn(6, generator=torch.Generator().manual_seed(n)) for n in range(4)]
    one, other = Reconciler(), Reconciler()
    for n, part in enumerate(parts):
        give(model, part, f"head {n % 2}")
        one.take(n % 2, model.named_parameters())
    for n in range(2):
        give(whole, parts[n] + parts[n + 2], f"head {n}")
        other.take(n, whole.named_parameters())
    one.reconcile(model.named_parameters())
    other.reconcile(whole.named_parameters())
    assert torch.allclose(model["body"].weight.grad, whole["body"].weight.grad)
