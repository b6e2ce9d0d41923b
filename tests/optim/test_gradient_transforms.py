"""Every gradient transform: its definition, its property, its state."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from acclimate.optim.bert_adamw import BertAdamW
from acclimate.optim.centralize import Centralize
from acclimate.optim.clip_accumulated import ClipAccumulated
from acclimate.optim.clip_adaptive import ClipAdaptive
from acclimate.optim.clip_negative import ClipNegative
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.clip_percentile import ClipPercentile
from acclimate.optim.clip_value import ClipValue
from acclimate.optim.gradient_noise import GradientNoise
from acclimate.optim.gradients import Gradients, apply_all
from acclimate.optim.sgd import Sgd


def model(scale: float = 1.0, seed: int = 0) -> nn.Module:
    """Below, blocks, head; with gradients."""
    torch.manual_seed(1)
    parts = nn.ModuleDict(
        {
            "embeddings": nn.Linear(6, 5),
            "layers": nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 5)]),
            "head": nn.Linear(5, 2),
        }
    )
    for number, p in enumerate(parts.parameters()):
        p.grad = scale * torch.randn(p.shape, generator=torch.Generator().manual_seed(100 * seed + number))
    return parts


def after(settings: Any, one: nn.Module) -> dict[str, torch.Tensor]:
    gradients = Gradients(one.named_parameters())
    apply_all([settings.build()], gradients)
    gradients.tensors()
    return {name: p.grad for name, p in one.named_parameters()}


def test_value_clipping_is_torch_s() -> None:
    theirs = model(3.0)
    torch.nn.utils.clip_grad_value_(theirs.parameters(), 0.5)
    for ours, expected in zip(
        after(ClipValue(largest=0.5), model(3.0)).values(), theirs.parameters(), strict=True
    ):
        assert torch.equal(ours, expected.grad)


class Norms:
    """Gradients whose norms are prescribed."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self.parameter = nn.Parameter(torch.zeros(1))

    def __call__(self, norm: float) -> float:
        """What is left of a gradient of this norm, as a factor."""
        self.parameter.grad = torch.tensor([norm], dtype=torch.float32)
        gradients = Gradients([("p", self.parameter)])
        self.transform(gradients)
        gradients.tensors()
        return float(self.parameter.grad) / norm


def test_percentile_of_rising_and_falling_norms() -> None:
    rising = Norms(ClipPercentile(percentile=50).build())
    assert [rising(norm) for norm in (1, 2, 3, 4)] == pytest.approx([1, 0.75, 2 / 3, 0.625])
    falling = Norms(ClipPercentile(percentile=50).build())
    assert [falling(norm) for norm in (4, 3, 2, 1)] == pytest.approx([1, 1, 1, 1])
    never = Norms(ClipPercentile(percentile=100).build())
    assert [never(norm) for norm in (1, 5, 2, 50)] == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("window", [None, 7])
def test_percentile_is_numpy_s_and_goes_on_from_its_state(window: int | None) -> None:
    settings = ClipPercentile(percentile=30, scale=1.5, window=window)
    clip = Norms(settings.build())
    norms = np.random.default_rng(0).lognormal(size=40)
    for step, norm in enumerate(norms):
        if step == 20:
            state = json.loads(json.dumps(clip.transform.state_dict()))
            clip = Norms(settings.build())
            clip.transform.load_state_dict(state)
        counted = norms[: step + 1] if window is None else norms[max(0, step + 1 - window) : step + 1]
        assert clip(norm) == pytest.approx(min(1, 1.5 * np.percentile(counted, 30) / norm), rel=1e-5)


def test_accumulated_clipping_is_that_of_the_big_batch_and_not_of_each_micro_batch() -> None:
    micro, counts = [model(4.0, seed) for seed in (1, 2, 3)], [1.0, 5.0, 2.0]
    big = model()
    for parameter, *parts in zip(big.parameters(), *(one.parameters() for one in micro), strict=True):
        parameter.grad = sum(n * p.grad for n, p in zip(counts, parts, strict=True)) / sum(counts)
    plain, each = model(), {}
    for one, parameter in zip(plain.parameters(), big.parameters(), strict=True):
        one.grad = parameter.grad.clone()
    torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
    for n, one in zip(counts, micro, strict=True):
        torch.nn.utils.clip_grad_norm_(one.parameters(), 1.0)
        for name, p in one.named_parameters():
            each[name] = each.get(name, 0) + n * p.grad / sum(counts)
    found = after(ClipAccumulated(max_norm=1.0), big)
    for name, expected in plain.named_parameters():
        torch.testing.assert_close(found[name], expected.grad)
    assert not torch.allclose(found["head.weight"], each["head.weight"], rtol=1e-2)


def test_the_floor_scales_up_and_leaves_zeros() -> None:
    clip = Norms(ClipAccumulated(max_norm=2, min_norm=0.5).build())
    assert [clip(norm) for norm in (0.1, 1.0, 4.0)] == pytest.approx([5, 1, 0.5])
    zeros = model(0.0)
    assert all(not g.any() for g in after(ClipAccumulated(min_norm=0.5), zeros).values())
    with pytest.raises(ValidationError, match="above max_norm"):
        ClipAccumulated(max_norm=1, min_norm=2)


def test_adaptive_clipping_bounds_each_unit_inside_the_blocks() -> None:
    one, before = model(2.0), {name: p.grad.clone() for name, p in model(2.0).named_parameters()}
    weights = {name: p.detach().clone() for name, p in one.named_parameters()}
    found = after(ClipAdaptive(share=0.05), one)
    for name, gradient in found.items():
        if not name.startswith("layers"):
            assert torch.equal(gradient, before[name])
        elif gradient.ndim == 2:
            for row, old, weight in zip(gradient, before[name], weights[name], strict=True):
                limit = 0.05 * max(float(weight.norm()), 1e-3)
                expected = old * min(1.0, limit / float(old.norm()))
                torch.testing.assert_close(row, expected)


def test_clipped_negatives_let_no_weight_grow() -> None:
    """Why it is no default: with a threshold of 0, plain steps can only take weights down."""
    for settings in (Sgd(lr=0.1), BertAdamW(lr=0.1, weight_decay=0)):
        one = model()
        optimizer = settings.build(model=one)
        for step in range(5):
            for number, p in enumerate(one.parameters()):
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(10 * step + number))
            before = [p.detach().clone() for p in one.parameters()]
            after(ClipNegative(largest=0), one)
            optimizer.step()
            assert all(bool((p <= old).all()) for p, old in zip(one.parameters(), before, strict=True))
    found = after(ClipNegative(largest=0.3), model())
    assert all(float(g.min()) >= -0.3001 for g in found.values()) and float(found["head.weight"].max()) > 0.3


def test_centralized_gradients_sum_to_nothing_inside_the_blocks() -> None:
    before = {name: p.grad.clone() for name, p in model().named_parameters()}
    found = after(Centralize(), model())
    for name, gradient in found.items():
        if name.startswith("layers") and gradient.ndim == 2:
            assert float(gradient.sum(1).abs().max()) < 1e-5 and not torch.equal(gradient, before[name])
        else:
            assert torch.equal(gradient, before[name])


def test_noise_has_the_variance_that_is_said_and_fades() -> None:
    settings = GradientNoise(eta=0.3, gamma=0.55, seed=5)
    layer, maker = nn.Linear(300, 300, bias=False), settings.build()
    draws = []
    for step in range(20):
        layer.weight.grad = torch.zeros(300, 300)
        apply_all([maker], Gradients(layer.named_parameters()))
        draws.append(layer.weight.grad.clone())
        assert float(draws[-1].var()) == pytest.approx(0.3 / (1 + step) ** 0.55, rel=0.03)
        assert abs(float(draws[-1].mean())) < 0.01
    again = settings.build()
    again.load_state_dict({"steps": 19})
    layer.weight.grad = torch.zeros(300, 300)
    apply_all([again], Gradients(layer.named_parameters()))
    assert torch.equal(layer.weight.grad, draws[-1])


@pytest.mark.parametrize(
    "settings", [ClipNorm(), ClipValue(), ClipAdaptive(), ClipAccumulated(), Centralize()]
)
def test_the_stateless_refuse_a_state(settings: Any) -> None:
    transform = settings.build()
    assert transform.state_dict() == {}
    with pytest.raises(ValueError, match="no state"):
        transform.load_state_dict({"history": [1.0]})


def conv1d(seed: int = 0) -> nn.Module:
    """A GPT-2 of one layer with gradients; its linear layers keep [inputs, outputs]."""
    torch.manual_seed(seed)
    config = GPT2Config(n_layer=1, n_embd=12, n_head=2, vocab_size=30, n_positions=8)
    one = GPT2LMHeadModel(config)
    for p in one.parameters():
        p.grad = torch.randn(p.shape)
    return one


def test_on_gpt2_what_comes_into_an_output_unit_is_centred() -> None:
    before = {name: p.grad.clone() for name, p in conv1d().named_parameters()}
    for name, gradient in after(Centralize(), conv1d()).items():
        if "c_" in name and name.endswith("weight"):
            assert gradient.shape[1] != gradient.shape[0] or "attn.c_proj" in name
            torch.testing.assert_close(gradient.mean(0), torch.zeros(gradient.shape[1]), atol=1e-6, rtol=0)
            torch.testing.assert_close(gradient, before[name] - before[name].mean(0, keepdim=True))
        else:
            assert torch.equal(gradient, before[name])


def test_on_gpt2_each_output_unit_is_clipped_by_itself() -> None:
    one = conv1d()
    weights = {name: p.detach() for name, p in one.named_parameters()}
    for name, gradient in after(ClipAdaptive(share=0.01), one).items():
        if "c_" in name and name.endswith("weight"):
            limit = 0.01 * weights[name].norm(dim=0)
            torch.testing.assert_close(gradient.norm(dim=0), limit)  # all were far above


def test_units_whose_weights_are_nothing_can_grow() -> None:
    one = model()
    with torch.no_grad():
        one["layers"][0].weight.zero_()
    found = after(ClipAdaptive(share=0.5, eps=0.01), one)["layers.0.weight"]
    torch.testing.assert_close(found.norm(dim=1), torch.full((5,), 0.5 * 0.01))
