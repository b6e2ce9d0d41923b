"""Attention over packed rows equals softmax(query · keyᵀ) · value of each sequence on its own, with its gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from acclimate.kernels.attention import attention
from acclimate.kernels.norm import dropout

Lengths = list[int]
SELF = [[7, 3, 12, 1, 5], [1], [48, 49, 50], [16, 32, 64], [131, 2], [0, 4, 0, 3]]
CROSS = [([3, 9, 1], [5, 2, 70]), ([50, 1], [1, 49]), ([2, 60, 7], [16, 33, 1])]


def starts_of(lengths: Lengths) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0)


class Twins:
    """Kernel and plain form for sequences of these lengths, as functions of (parts, query, key, value)."""

    def __init__(
        self,
        queries: Lengths,
        keys: Lengths | None = None,
        *,
        causal: bool = False,
        window: int = 0,
        prefixes: Tensor | None = None,
        scale: float = 0.3,
    ) -> None:
        self.query_starts, self.key_starts = starts_of(queries), starts_of(keys or queries)
        self.causal, self.window, self.prefixes, self.scale = causal, window, prefixes, scale

    def ours(self, _: nn.Module, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        seen = {"causal": self.causal, "window": self.window, "prefixes": self.prefixes, "bias": bias}
        return attention(q, k, v, self.query_starts, self.key_starts, scale=self.scale, **seen)

    def hidden(self, sequence: int, queries: int, keys: int) -> Tensor:
        """[queries, keys] True where the key is not seen, told one by one."""
        prefix = 0 if self.prefixes is None else int(self.prefixes[sequence])
        seen = [
            [
                (not self.causal or k <= q or k < prefix) and (not self.window or abs(k - q) < self.window)
                for k in range(keys)
            ]
            for q in range(queries)
        ]
        return ~torch.tensor(seen, dtype=torch.bool).view(queries, keys)

    def plain(self, _: nn.Module, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        out = []
        spans = zip(pairwise(self.query_starts.tolist()), pairwise(self.key_starts.tolist()), strict=True)
        for number, ((first, last), (key_first, key_last)) in enumerate(spans):
            one, other = q[first:last].transpose(0, 1), k[key_first:key_last].transpose(0, 1)
            scores = (
                (one @ other.transpose(1, 2)).float()
                if q.dtype != torch.float64
                else one @ other.transpose(1, 2)
            )
            scores = scores * self.scale
            if bias is not None:
                reach = bias.shape[1] // 2
                at = [[k - q + reach for k in range(scores.shape[2])] for q in range(scores.shape[1])]
                scores = scores + bias[:, torch.tensor(at, dtype=torch.long).view(scores.shape[1:])]
            scores = scores.masked_fill(self.hidden(number, *scores.shape[1:]), -torch.inf)
            weights = scores.softmax(-1).to(v.dtype)
            out.append((weights @ v[key_first:key_last].transpose(0, 1)).transpose(0, 1))
        return torch.cat(out)

    def inputs(self, heads: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        rows = int(self.query_starts[-1]), int(self.key_starts[-1])
        return tuple(torch.randn(num, heads, size) for num in (rows[0], rows[1], rows[1]))


@pytest.mark.parametrize("size", [1, 8, 24, 33, 64, 128])
@pytest.mark.parametrize("lengths", SELF, ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_within_sequences(proof, lengths: Lengths, size: int, causal: bool) -> None:
    twins = Twins(lengths, causal=causal)
    given = twins.inputs(3, size)
    proof.equal(twins.ours, twins.plain, nn.Module(), *given)
    in_bf16(twins, *given)


@pytest.mark.parametrize("lengths", SELF, ids=str)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [1, 3, 20, 64, 500])
def test_in_a_window(proof, lengths: Lengths, window: int, causal: bool) -> None:
    twins = Twins(lengths, causal=causal, window=window)
    given = twins.inputs(2, 24)
    proof.equal(twins.ours, twins.plain, nn.Module(), *given)
    in_bf16(twins, *given)


@pytest.mark.parametrize("lengths", SELF, ids=str)
@pytest.mark.parametrize("window", [0, 7])
def test_behind_a_prefix(proof, lengths: Lengths, window: int) -> None:
    generator = torch.Generator().manual_seed(1)
    prefixes = torch.tensor([int(torch.randint(one + 1, (), generator=generator)) for one in lengths])
    twins = Twins(lengths, causal=True, window=window, prefixes=prefixes)
    given = twins.inputs(2, 24)
    proof.equal(twins.ours, twins.plain, nn.Module(), *given)
    in_bf16(twins, *given)


@pytest.mark.parametrize("lengths", SELF, ids=str)
@pytest.mark.parametrize(("causal", "window"), [(False, 0), (True, 0), (False, 9)])
def test_with_a_bias_by_distance(proof, lengths: Lengths, causal: bool, window: int) -> None:
    """Its gradient too; the table may reach further than the longest sequence."""
    twins = Twins(lengths, causal=causal, window=window)
    bias = torch.randn(2, 2 * (max(lengths) + 3) - 1)
    proof.equal(twins.ours, twins.plain, nn.Module(), *twins.inputs(2, 24), bias)


@pytest.mark.parametrize("size", [8, 33, 64])
@pytest.mark.parametrize(("queries", "keys"), CROSS, ids=str)
def test_from_one_row_to_another(proof, queries: Lengths, keys: Lengths, size: int) -> None:
    twins = Twins(queries, keys)
    given = twins.inputs(2, size)
    proof.equal(twins.ours, twins.plain, nn.Module(), *given)
    in_bf16(twins, *given)


def results(twins: Twins, compute: str, given: tuple[Tensor, ...], dtype: torch.dtype) -> list[Tensor]:
    leaves = [x.to(dtype).requires_grad_() for x in given]
    out = getattr(twins, compute)(nn.Module(), *leaves)
    drawn = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    out.backward(drawn.to(dtype))
    return [out.detach(), *(x.grad for x in leaves)]


def in_bf16(twins: Twins, *given: Tensor) -> None:
    """From inputs that bf16 holds exactly, no further from fp64 than torch's bf16 products with an fp32 softmax."""
    given = tuple(x.bfloat16() for x in given)
    exact = results(twins, "plain", given, torch.float64)
    ours, theirs = (results(twins, name, given, torch.bfloat16) for name in ("ours", "plain"))
    for wanted, own, other in zip(exact, ours, theirs, strict=True):
        assert own.dtype == torch.bfloat16
        size = float(wanted.norm())
        limit = 1.5 * float((other.double() - wanted).norm()) + 2**-9 * size
        assert float((own.double() - wanted).norm()) <= limit


def test_rows_that_lie_apart_in_memory(proof) -> None:
    """As one fused projection gives them, and with heads before tokens."""
    twins = Twins([7, 20, 3])
    fused, apart = torch.randn(30, 3, 2, 16), torch.randn(3, 2, 30, 16)
    wanted = twins.plain(nn.Module(), *fused.unbind(1))
    torch.testing.assert_close(twins.ours(nn.Module(), *fused.unbind(1)), wanted, rtol=1e-5, atol=1e-5)
    heads_first = [x.transpose(0, 1) for x in apart]
    wanted = twins.plain(nn.Module(), *heads_first)
    torch.testing.assert_close(twins.ours(nn.Module(), *heads_first), wanted, rtol=1e-5, atol=1e-5)
    proof.equal(
        lambda _, x: twins.ours(_, *x.unbind(1)),
        lambda _, x: twins.plain(_, *x.unbind(1)),
        nn.Module(),
        fused,
    )


@pytest.mark.parametrize("scale", [1e-6, 30.0, 1e4])
def test_flat_and_steep_softmax(proof, scale: float) -> None:
    twins = Twins([9, 40], scale=scale)
    q, k, v = (x.round() for x in twins.inputs(2, 16))  # whole numbers: scores are exact, ties stay ties
    proof.equal(twins.ours, twins.plain, nn.Module(), q, k, v)


def test_equal_keys_give_the_mean(kernels) -> None:
    twins = Twins([33])
    q, k, v = twins.inputs(2, 16)
    out = twins.ours(nn.Module(), q, k[:1].expand(33, -1, -1), v)
    torch.testing.assert_close(out, v.mean(0).expand(33, -1, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fault", [torch.nan, torch.inf])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_fault_stays_in_its_sequence_and_shows(
    kernels, which: int, fault: float, dtype: torch.dtype
) -> None:
    twins = Twins([5, 9, 4])
    given = [x.to(dtype) for x in twins.inputs(2, 16)]
    given[which][7, 1, 3] = fault
    leaves = [x.requires_grad_() for x in given]
    out = twins.ours(nn.Module(), *leaves)
    out.sum().backward()
    assert not out[5:14, 1].isfinite().all()
    assert out[:, 0].isfinite().all() and out[:5].isfinite().all() and out[14:].isfinite().all()
    for x in leaves:
        assert x.grad[:5].isfinite().all() and x.grad[14:].isfinite().all()
    assert not all(x.grad[5:14].isfinite().all() for x in leaves)


def uniform(p: float, sequences: int = 40, length: int = 64, heads: int = 4) -> tuple[Tensor, list[Tensor]]:
    """Attention of equal scores to values that are an identity: its output shows each weight. [T, heads, length]"""
    q, k = (torch.zeros(sequences * length, heads, length, requires_grad=True) for _ in range(2))
    v = torch.eye(length)[:, None].repeat(sequences, heads, 1).requires_grad_()
    starts = torch.arange(sequences + 1) * length
    return attention(q, k, v, starts, starts, scale=1.0, dropout=p), [q, k, v]


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_of_weights_has_its_rate_and_scale(kernels, p: float) -> None:
    torch.manual_seed(3)
    weights = uniform(p)[0].detach()
    dropped = weights == 0
    assert float(dropped.double().mean()) == pytest.approx(
        p, abs=4.5 * (p * (1 - p) / dropped.numel()) ** 0.5
    )
    torch.testing.assert_close(weights[~dropped], torch.full_like(weights[~dropped], 1 / 64 / (1 - p)))
    pieces = dropped.double().view(40, 64, 4, 64)
    for dim in range(4):  # sequences, queries, heads, keys: each differs in its count as independent draws do
        sums = pieces.sum([other for other in range(4) if other != dim])
        n = pieces.numel() / len(sums)
        statistic = float(((sums - n * p) ** 2 / (n * p * (1 - p))).mean())
        assert statistic == pytest.approx(1, abs=5 * (2 / len(sums)) ** 0.5)
        first, second = pieces.unbind(dim)[:2]
        both = torch.corrcoef(torch.stack([first.reshape(-1), second.reshape(-1)]))[0, 1]
        assert abs(float(both)) < 5 / first.numel() ** 0.5


def test_dropout_is_the_same_in_both_directions(proof) -> None:
    """The mask, read from the forward pass, put into the plain form gives the same gradients."""
    torch.manual_seed(3)
    shown, (_, _, v) = uniform(0.4, sequences=3)
    factors = (shown.detach() * 64).view(3, 64, 4, 64)  # 0 or 1 / (1 - p)
    shown.sum().backward()
    torch.testing.assert_close(v.grad[:, :, 0].view(3, 64, 4), factors.sum(1).transpose(1, 2) / 64)

    given = [torch.randn(192, 4, 64) for _ in range(3)]
    starts = torch.arange(4) * 64

    def ours(_: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        torch.manual_seed(3)
        return attention(q, k, v, starts, starts, scale=0.1, dropout=0.4)

    def plain(_: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.view(3, 64, 4, 64).transpose(1, 2) for x in (q, k, v))
        weights = (0.1 * q @ k.transpose(2, 3)).softmax(-1) * factors.transpose(1, 2).to(q.dtype)
        return (weights @ v).transpose(1, 2).reshape(192, 4, 64)

    proof.equal(ours, plain, nn.Module(), *given)


def test_bits_do_not_depend_on_threads_or_company(proof) -> None:
    starts = starts_of([5, 70, 1, 33, 48])

    def ours(_: nn.Module, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        return attention(q, k, v, starts, starts, scale=0.3, dropout=0.2, bias=bias)

    proof.steady(ours, nn.Module(), *(torch.randn(157, 3, 32) for _ in range(3)), torch.randn(3, 139))
    twins, alone = Twins([5, 70, 9]), Twins([70])
    given = twins.inputs(2, 24)
    assert torch.equal(
        twins.ours(nn.Module(), *given)[5:75], alone.ours(nn.Module(), *(x[5:75] for x in given))
    )


def test_dropout_of_attention_is_not_that_of_hidden_states(kernels) -> None:
    torch.manual_seed(3)
    weights = uniform(0.5, sequences=1, heads=1)[0].detach()[:, 0]
    torch.manual_seed(3)
    other = dropout(torch.ones(64, 64), 0.5)
    assert torch.equal(weights == 0, other == 0)  # one generator: the same seed, row and column give the same
    following = dropout(torch.ones(64, 64), 0.5)
    assert not torch.equal(other == 0, following == 0)
