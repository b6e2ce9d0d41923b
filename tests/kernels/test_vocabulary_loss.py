"""Projection and cross entropy in one equal the two of torch, whole or in pieces."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acclimate.kernels import native
from acclimate.kernels import vocabulary_loss as module
from acclimate.kernels.vocabulary_loss import vocabulary_loss

SIZES = [(1, 7, 3), (64, 24, 50), (65, 16, 333), (200, 32, 1000)]


class Twins:
    """Of (projection, hidden), for drawn targets."""

    def __init__(self, rows: int, vocabulary: int) -> None:
        self.targets = torch.randint(vocabulary, (rows,))

    def ours(self, layer: nn.Linear, hidden: Tensor) -> Tensor:
        return vocabulary_loss(hidden, layer.weight, layer.bias, self.targets)[0] / 7

    def plain(self, layer: nn.Linear, hidden: Tensor) -> Tensor:
        scores = layer(hidden)
        exact = scores if scores.dtype == torch.float64 else scores.float()
        return functional.cross_entropy(exact, self.targets, reduction="sum") / 7


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rows", "size", "vocabulary"), SIZES)
def test_equals_torch(
    proof, monkeypatch: pytest.MonkeyPatch, rows: int, size: int, vocabulary: int, bias: bool, pieces: bool
) -> None:
    if pieces:
        monkeypatch.setattr(module, "BYTES_AT_ONCE", 4 * 30 * vocabulary)  # 30 rows, 60 in bf16
    twins, layer = Twins(rows, vocabulary), nn.Linear(size, vocabulary, bias=bias)
    proof.equal(twins.ours, twins.plain, layer, torch.randn(rows, size))
    if rows > 1:  # errors of one row's three scores are a matter of luck
        proof.close_in_bf16(twins.ours, twins.plain, layer, torch.randn(rows, size))


def test_each_targets_loss(kernels) -> None:
    layer, hidden, targets = nn.Linear(24, 50), torch.randn(70, 24), torch.randint(50, (70,))
    total, each = vocabulary_loss(hidden, layer.weight, layer.bias, targets)
    wanted = functional.cross_entropy(layer(hidden), targets, reduction="none")
    torch.testing.assert_close(each, wanted, rtol=1e-5, atol=1e-6)
    assert total.requires_grad and not each.requires_grad
    assert float(total.detach()) == pytest.approx(float(wanted.detach().sum()), rel=1e-6)
    with torch.no_grad():
        assert torch.equal(vocabulary_loss(hidden, layer.weight, layer.bias, targets)[1], each)


def test_bits_do_not_depend_on_threads(proof) -> None:
    twins = Twins(130, 333)
    proof.steady(twins.ours, nn.Linear(24, 333), torch.randn(130, 24), products=("weight", "input 0"))


@pytest.mark.parametrize("scale", [0.0, 1e-6, 50.0, 1e4, 1e30])
def test_scores_of_any_size(proof, scale: float) -> None:
    """All equal, nearly so, and so far apart that all but one are nothing."""
    twins, layer = Twins(40, 50), nn.Linear(24, 50)
    hidden = (scale * torch.randn(40, 24)).requires_grad_()
    ours = twins.ours(layer, hidden)
    wanted = twins.plain(layer, hidden)
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)
    for found, expected in zip(*(torch.autograd.grad(x, hidden) for x in (ours, wanted)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def losses(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel alone: each loss, and the gradient of the scores."""
    found, gradient = torch.empty(len(scores)), scores.clone()
    native.call("cross_entropy", scores.dtype, found, gradient, None, targets, *scores.shape, True)
    return found, gradient


def test_the_kernel_itself_to_the_last_digits(kernels) -> None:
    scores = 4 * torch.randn(30, 1003)
    targets = torch.randint(1003, (30,))
    found, gradient = losses(scores, targets)
    leaf = scores.double().requires_grad_()
    wanted = functional.cross_entropy(leaf, targets, reduction="none")
    wanted.sum().backward()
    torch.testing.assert_close(found.double(), wanted.detach(), rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=1e-5, atol=1e-8)
    assert (gradient.sum(1).abs() < 1e-5).all()


@pytest.mark.parametrize("fault", [torch.nan, torch.inf])
def test_a_fault_stays_in_its_row_and_shows(kernels, fault: float) -> None:
    scores = torch.randn(3, 100)
    scores[1, 40] = fault
    found, gradient = losses(scores, torch.tensor([0, 1, 2]))
    assert found[1].isnan() and gradient[1].isnan().any()
    assert found[[0, 2]].isfinite().all() and gradient[[0, 2]].isfinite().all()


def test_impossible_tokens(kernels) -> None:
    """A score of −∞ costs nothing elsewhere, and an infinite loss where it is the target."""
    scores = torch.zeros(2, 10)
    scores[:, 3] = -torch.inf
    found, _ = losses(scores, torch.tensor([0, 3]))
    assert float(found[0]) == pytest.approx(torch.tensor(9.0).log().item(), rel=1e-6)
    assert found[1] == torch.inf


def test_a_batch_without_targets(kernels) -> None:
    """A micro-batch may have none while others of its step have."""
    layer, hidden = nn.Linear(24, 50), torch.randn(0, 24, requires_grad=True)
    total, each = vocabulary_loss(hidden, layer.weight, layer.bias, torch.zeros(0, dtype=torch.long))
    (total / 5).backward()
    assert total == 0 and len(each) == 0


@pytest.mark.parametrize("wrong", [-100, -1, 50])
def test_a_target_outside_is_refused(kernels, wrong: int) -> None:
    layer = nn.Linear(24, 50)
    with pytest.raises(IndexError, match="of 50 rows"):
        vocabulary_loss(torch.randn(2, 24), layer.weight, layer.bias, torch.tensor([1, wrong]))
