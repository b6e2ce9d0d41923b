"""The sum of several tables' rows equals torch's, and so do the tables' gradients, collected or not."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from acclimate.kernels.embedding import embedding_sum
from acclimate.kernels.row_gradients import collected

SIZES = [(1, 7), (50, 24), (333, 130)]


def tables(size: int, padding: int | None = 0) -> nn.ModuleList:
    return nn.ModuleList(
        [nn.Embedding(40, size, padding_idx=padding), nn.Embedding(16, size), nn.Embedding(2, size)]
    )


def ids_of(*shape: int) -> list[Tensor]:
    return [torch.randint(rows, shape) for rows in (40, 16, 2)]


def ours(parts: nn.ModuleList, *ids: Tensor) -> Tensor:
    return embedding_sum(list(parts), ids)


def plain(parts: nn.ModuleList, *ids: Tensor) -> Tensor:
    return sum(table(one) for table, one in zip(parts, ids, strict=True))


class Indices:
    """Turns ids, which fp64 twins must not get as fp64, into a part of the computation."""

    def __init__(self, ids: list[Tensor]) -> None:
        self.ids = ids

    def ours(self, parts: nn.ModuleList) -> Tensor:
        return ours(parts, *self.ids)

    def plain(self, parts: nn.ModuleList) -> Tensor:
        return plain(parts, *self.ids)


@pytest.mark.parametrize(("rows", "size"), SIZES)
@pytest.mark.parametrize("padding", [None, 0, 3])
def test_equals_torch(proof, rows: int, size: int, padding: int | None) -> None:
    given = Indices(ids_of(1, rows))
    proof.equal(given.ours, given.plain, tables(size, padding))
    in_collection = lambda parts: given.ours(parts)  # noqa: E731
    proof.steady(in_collection, tables(size, padding))


def test_bf16_is_the_rounded_sum(kernels) -> None:
    parts, ids = tables(24), ids_of(2, 9)
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(parts, *ids)
    assert out.shape == (2, 9, 24)
    torch.testing.assert_close(out, plain(parts, *ids).bfloat16(), rtol=2**-7, atol=1e-6)
    out.backward(torch.ones_like(out))
    twin = copy.deepcopy(parts)
    twin.zero_grad()
    plain(twin, *ids).sum().backward()
    assert all(torch.equal(a.weight.grad, b.weight.grad) for a, b in zip(parts, twin, strict=True))


@pytest.mark.parametrize("wrong", [-1, 40])
def test_an_id_outside_is_refused(kernels, wrong: int) -> None:
    ids = ids_of(1, 5)
    ids[0][0, 2] = wrong
    with pytest.raises(IndexError, match="of 40 rows"):
        ours(tables(8), *ids)


def tied(parts: nn.ModuleList, ids: list[Tensor], compute) -> Tensor:
    """The first table also serves as a projection, as in a masked language model."""
    hidden = compute(parts, *ids)
    return (hidden @ parts[0].weight.t()).square().sum() / 1000


@pytest.mark.parametrize("frozen", [False, True])
def test_collected_gradients_are_the_same(kernels, frozen: bool) -> None:
    """Over several backward passes, with a tied table, a padding that is hit, and a table that does not learn."""
    ones, others = tables(24), None
    ones[2].weight.requires_grad_(not frozen)
    others = copy.deepcopy(ones)
    for number in range(3):
        torch.manual_seed(number)
        ids = ids_of(1, 60)
        ids[0][0, :7] = 0
        with collected():
            tied(ones, ids, ours).backward()
        tied(others, ids, plain).backward()
    for one, other in zip(ones, others, strict=True):
        if other.weight.grad is None:
            assert one.weight.grad is None
        else:
            torch.testing.assert_close(one.weight.grad, other.weight.grad, rtol=1e-5, atol=1e-5)


def test_rows_of_a_broken_backward_pass_are_dropped(kernels) -> None:
    parts = tables(8)
    with pytest.raises(ZeroDivisionError), collected():
        ours(parts, *ids_of(1, 5)).sum().backward()
        raise ZeroDivisionError
    assert all(table.weight.grad is None for table in parts)
    ours(parts, *ids_of(1, 5)).sum().backward()
    assert all(table.weight.grad is not None for table in parts)


def test_a_table_made_of_something_else_hands_its_gradient_on(kernels) -> None:
    """Rows can only be put into the `.grad` of a parameter."""
    table = nn.Embedding(40, 8)
    source = table.weight.detach().clone().requires_grad_()
    del table.weight
    table.weight = source * 2
    with collected():
        embedding_sum([table], [torch.tensor([1, 1, 5])]).sum().backward()
    assert torch.equal(source.grad.sum(1).nonzero().squeeze(1), torch.tensor([1, 5]))
    assert source.grad[1, 0] == 4
