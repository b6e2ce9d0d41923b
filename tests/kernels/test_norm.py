"""LayerNorm equals torch's; dropout is random as it should be, seeded, and deaf to the number of threads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from acclimate.kernels import native
from acclimate.kernels.norm import dropout, layer_norm


def ours(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return layer_norm(x, norm)


def plain(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return norm(x)


def norm_of(size: int, eps: float = 1e-12) -> nn.LayerNorm:
    norm = nn.LayerNorm(size, eps=eps)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("shape", [(5, 24), (1, 7), (2, 40, 33), (100, 128), (0, 8)])
@pytest.mark.parametrize("eps", [1e-12, 1e-2])
def test_layer_norm_equals_torch(proof, shape: tuple[int, ...], eps: float) -> None:
    proof.equal(ours, plain, norm_of(shape[-1], eps), torch.randn(shape))
    proof.close_in_bf16(ours, plain, norm_of(shape[-1], eps), torch.randn(shape))


def test_far_from_zero_and_of_any_size(proof) -> None:
    """The variance is summed about the mean: a row of 1000 ± 1 keeps its digits."""
    proof.equal(ours, plain, norm_of(64), 1000 + torch.randn(9, 64), limit=1e-4)
    proof.equal(ours, plain, norm_of(64), 1e-3 * torch.randn(9, 64))
    proof.equal(ours, plain, norm_of(64), 1e15 * torch.randn(9, 64))


def test_a_row_of_equals_is_the_bias(kernels) -> None:
    norm = norm_of(32, 1e-5)
    torch.testing.assert_close(ours(norm, torch.full((1, 32), 4.0))[0], norm.bias)


@pytest.mark.parametrize("fault", [float("nan"), float("inf")])
def test_a_fault_stays_in_its_row_and_shows(kernels, fault: float) -> None:
    x = torch.randn(3, 32)
    x[1, 5] = fault
    y = ours(norm_of(32), x)
    assert y[1].isnan().any() and y[0].isfinite().all() and y[2].isfinite().all()


def test_bits_do_not_depend_on_threads(proof) -> None:
    proof.steady(ours, norm_of(40), torch.randn(67, 40))
    proof.steady(lambda _, x: dropout(x, 0.3), nn.Module(), torch.randn(67, 40))


P = [0.1, 0.5, 0.9]
N = 1000


def mask(p: float, seed: int) -> Tensor:
    """[N, N] True where dropped."""
    torch.manual_seed(seed)
    return dropout(torch.ones(N, N), p) == 0


@pytest.mark.parametrize("p", P)
def test_rate_and_scale(kernels, p: float) -> None:
    torch.manual_seed(0)
    y = dropout(torch.ones(N, N), p)
    dropped = y == 0
    assert float(dropped.double().mean()) == pytest.approx(p, abs=4.5 * (p * (1 - p)) ** 0.5 / N)
    assert torch.equal(y[~dropped], torch.full_like(y[~dropped], 1 / (1 - p)))


@pytest.mark.parametrize("p", P)
def test_rows_and_columns_vary_as_independent_draws_do(kernels, p: float) -> None:
    for dim in (0, 1):
        counts = mask(p, 1).double().sum(dim)
        statistic = float(((counts - N * p) ** 2 / (N * p * (1 - p))).mean())
        assert statistic == pytest.approx(1, abs=5 * (2 / N) ** 0.5)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.reshape(-1).double(), b.reshape(-1).double()]))[0, 1])


@pytest.mark.parametrize("p", P)
def test_neighbours_know_nothing_of_each_other(kernels, p: float) -> None:
    dropped = mask(p, 2)
    for down, right in (
        (0, 1),
        (1, 0),
        (1, 1),
        (1, -1),
        (0, 2),
        (2, 0),
        (0, 8),
        (0, 16),
        (16, 0),
        (0, 64),
        (64, 3),
    ):
        other = dropped.roll((-down, -right), (0, 1))
        assert abs(correlation(dropped, other)) < 5 / N, (down, right)


def test_seeds_give_unrelated_masks(kernels) -> None:
    first = mask(0.3, 3)
    assert torch.equal(first, mask(0.3, 3))
    assert abs(correlation(first, mask(0.3, 4))) < 5 / N
    masks = []
    for seed in (10, 11, 10 + 2**32):  # of the kernel itself: near in low and in high bits
        y = torch.empty(N, N)
        native.call("dropout", y.dtype, y, torch.ones(N, N), N, N, seed, 0.3)
        masks.append(y == 0)
    assert abs(correlation(masks[0], masks[1])) < 5 / N and abs(correlation(masks[0], masks[2])) < 5 / N


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradient_passes_where_values_passed(kernels, dtype: torch.dtype) -> None:
    x = torch.ones(40, 70, dtype=dtype, requires_grad=True)
    y = dropout(x, 0.4)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_the_ends_of_the_range(kernels) -> None:
    x = torch.randn(30, 30)
    assert dropout(x, 0.0) is x
    assert torch.equal(dropout(x, 1.0), torch.zeros(30, 30))
    every_seed = torch.empty(30, 30)
    native.call("dropout", x.dtype, every_seed, x, 30, 30, 2**64 - 1, 1.0)
    assert not every_seed.any()


def test_faults_are_not_dropped_silently(kernels) -> None:
    assert dropout(torch.full((50, 50), float("nan")), 0.5).isnan().all()
