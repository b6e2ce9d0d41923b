"""Masks told one pair of tokens at a time; packed attention equals a softmax over the keys that are seen."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from transformers import ModernBertConfig, ModernBertModel
from transformers.masking_utils import sliding_window_causal_mask_function

from acclimate.kernels import native
from acclimate.models.attention_masks import spread_by_distance, visible
from acclimate.models.packed_attention import packed_attention, packed_call, register
from acclimate.models.packing import Packing

LENGTHS = [7, 1, 23, 12, 2, 9]
PREFIXES = [3, 1, 0, 12, 1, 9]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [0, 1, 4])
@pytest.mark.parametrize("block", [0, 5])
@pytest.mark.parametrize("padded", [False, True])
def test_a_query_sees_what_all_the_rules_allow(causal: bool, window: int, block: int, padded: bool) -> None:
    prefixes = torch.tensor([0, 4, 9]) if causal else None
    real = torch.arange(9) < torch.tensor([9, 4, 6])[:, None] if padded else None
    found = visible(9, real=real, causal=causal, window=window, block=block, prefixes=prefixes)
    if found is None:
        assert not (causal or window or block or padded)
        return
    found = found.expand(3, 1, 9, 9)
    for n in range(3):
        for q in range(9):
            for k in range(9):
                seen = not causal or k <= q or k < int(prefixes[n])
                seen &= not window or abs(q - k) < window
                seen &= not block or q // block == k // block
                there = real is None or bool(real[n, k])
                if real is None or real[n, q]:  # what padding sees does not matter
                    assert bool(found[n, 0, q, k]) == (seen and there), (n, q, k)
    assert found.any(-1).all()  # but it must see something: a softmax over nothing is no number


def test_windows_are_those_of_transformers() -> None:
    theirs = sliding_window_causal_mask_function(4)
    found = visible(9, causal=True, window=4)
    place = torch.arange(9)
    zero = torch.zeros((), dtype=torch.long)
    assert torch.equal(found[0, 0], theirs(zero, zero, place[:, None], place[None, :]))


def test_blocks_are_counted_from_the_first_real_token() -> None:
    real = torch.tensor([[False, False, True, True, True, True, True]])
    found = visible(7, real=real, block=3)[0, 0]
    assert found[2].nonzero().flatten().tolist() == [2, 3, 4]
    assert found[5].nonzero().flatten().tolist() == [5, 6]


def test_a_table_is_spread_by_distance() -> None:
    table = torch.randn(2, 11)
    found = spread_by_distance(table, 4)
    assert all(found[0, h, q, k] == table[h, 5 + k - q] for h in range(2) for q in range(4) for k in range(4))


def test_packings_are_cut_into_blocks() -> None:
    packing = Packing(torch.tensor([0, 7, 8, 18])).cut(5)
    assert packing.cu_seqlens.tolist() == [0, 5, 7, 8, 13, 18]
    assert packing.longest == 5


class Module(torch.nn.Module):
    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.is_causal = causal


def by_hand(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None,
    starts: Tensor,
    causal: bool,
    window: int,
    prefixes: bool,
) -> Tensor:
    """[T, H, D]: one query at a time."""
    out = []
    for number, (first, last) in enumerate(pairwise(starts.tolist())):
        for place in range(last - first):
            end = max(place + 1, PREFIXES[number] if prefixes else 0) if causal else last - first
            start = 0
            if window:
                start, end = max(0, place - window + 1), min(end, place + window)
            scores = torch.einsum("hd,khd->hk", q[first + place], k[first + start : first + end]) * 0.3
            if bias is not None:
                middle = bias.shape[1] // 2
                scores = scores + bias[:, middle + start - place : middle + end - place]
            out.append(torch.einsum("hk,khd->hd", scores.softmax(-1), v[first + start : first + end]))
    return torch.stack(out)


@pytest.mark.parametrize("way", ["kernels", "twins", "twins with dropout"])
@pytest.mark.parametrize(("causal", "prefixes"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("window", [0, 4])
@pytest.mark.parametrize("biased", [False, True])
def test_packed_attention_is_a_softmax_over_what_is_seen(
    way: str, causal: bool, prefixes: bool, window: int, biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs and gradients. With dropout, the share is so small that it drops nothing, and the other code runs."""
    if way != "kernels":
        monkeypatch.setattr(native, "available", lambda: False)
    torch.manual_seed(0)
    starts = torch.tensor([0, *LENGTHS]).cumsum(0)
    packing = Packing(starts, torch.tensor(PREFIXES) if prefixes else None)
    given = [torch.randn(int(starts[-1]), 2, 8, requires_grad=True) for _ in range(3)]
    bias = torch.randn(2, 2 * packing.longest + 3, requires_grad=True) if biased else None
    leaves = given if bias is None else [*given, bias]
    out, _ = packed_attention(
        Module(causal),
        *(one.transpose(0, 1)[None] for one in given),
        None,
        dropout=1e-12 if "dropout" in way else 0.0,
        scaling=0.3,
        packing=packing,
        sliding_window=window or None,
        position_bias=bias,
    )
    expected = by_hand(*given, bias, starts, causal, window, prefixes)
    torch.testing.assert_close(out[0], expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn(expected.shape)
    ours = torch.autograd.grad((out[0] * weights).sum(), leaves)
    theirs = torch.autograd.grad((expected * weights).sum(), leaves)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_modernberts_window_is_kept_in_packed_rows() -> None:
    """Global and local layers by turns: equal to its own padded call."""
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=24,
        local_attention=6,
        pad_token_id=0,
        attn_implementation=register(),
    )
    model = ModernBertModel(config).eval()
    starts = torch.tensor([0, *LENGTHS]).cumsum(0)
    tokens = torch.randint(1, 50, (int(starts[-1]),))
    places = torch.cat([torch.arange(one) for one in LENGTHS])
    with packed_call():
        packed = model(tokens[None], position_ids=places[None], packing=Packing(starts)).last_hidden_state[0]
    model.set_attn_implementation("eager")
    real = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    rows = torch.zeros(real.shape, dtype=torch.long).masked_scatter(real, tokens)
    padded = model(rows, attention_mask=real.long()).last_hidden_state[real]
    torch.testing.assert_close(packed, padded, rtol=1e-4, atol=1e-5)
    model.set_attn_implementation(register())
    with packed_call():
        whole = model(tokens[None], position_ids=places[None], packing=Packing(starts))
        for layer in model.layers:
            layer.attn.sliding_window = None
        wide = model(tokens[None], position_ids=places[None], packing=Packing(starts))
    assert not torch.allclose(whole.last_hidden_state, wide.last_hidden_state, atol=1e-3)
