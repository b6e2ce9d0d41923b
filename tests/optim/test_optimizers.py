"""Every optimizer: its formula, the same bits again and after resuming, convergence, and what makes it what it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from acclimate.engine.state import TrainState
from acclimate.errors import UserError
from acclimate.optim.adafactor import Adafactor
from acclimate.optim.adam import Adam
from acclimate.optim.adamw import AdamW
from acclimate.optim.bert_adamw import BertAdamW
from acclimate.optim.lamb import Lamb
from acclimate.optim.lion import Lion
from acclimate.optim.muon import Muon
from acclimate.optim.nt_asgd import NtAsgd
from acclimate.optim.parameter_groups import GroupedOptimizer
from acclimate.optim.sgd import Sgd
from acclimate.optim.stable_adamw import StableAdamW
from acclimate.recipe.registry import registry

ALL: dict[str, GroupedOptimizer] = {
    "sgd": Sgd(lr=0.1),
    "sgd, momentum": Sgd(lr=0.05, momentum=0.9, nesterov=True, l2=1e-4),
    "adam": Adam(lr=0.01, l2=1e-3),
    "adamw": AdamW(lr=0.01),
    "bert_adamw": BertAdamW(lr=0.003),
    "lamb": Lamb(lr=0.02),
    "adafactor": Adafactor(lr=0.03),
    "stable_adamw": StableAdamW(lr=0.01),
    "lion": Lion(lr=0.002),
    "muon": Muon(lr=0.01),
    "nt_asgd": NtAsgd(lr=0.1),
}
each = pytest.mark.parametrize("settings", ALL.values(), ids=ALL)


class Blocks(nn.Module):
    """Named as models are: something below, numbered blocks, a head."""

    def __init__(self, width: int = 8, blocks: int = 2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.embeddings = nn.Linear(4, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.head = nn.Linear(width, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.embeddings(x))
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.head(x).squeeze(-1)


def trained(settings: GroupedOptimizer, steps: int, *, stop: int | None = None) -> tuple[nn.Module, float]:
    """After so many steps on a problem with an answer; saved and loaded into fresh objects after `stop`."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(64, 4, generator=generator)
    y = torch.sin(x[:, 0]) * x[:, 1] + 0.5 * x[:, 2]
    model = Blocks()
    optimizer = settings.build(model=model)
    for step in range(steps):
        if step == stop:
            old = TrainState(model, optimizer, [])
            tensors = {name: tensor.clone() for name, tensor in old.tensors().items()}
            model = Blocks()
            optimizer = settings.build(model=model)
            TrainState(model, optimizer, []).load(tensors, old.scalars())
        loss = (model(x) - y).square().mean()
        model.zero_grad()
        loss.backward()
        optimizer.step()
    return model, float((model(x) - y).square().mean().detach())


def test_all_that_are_registered_are_here() -> None:
    assert {settings.registered_as[1] for settings in ALL.values()} == set(registry.names("optimizer"))


@each
def test_it_converges_and_gives_the_same_bits_again_and_after_resuming(settings: GroupedOptimizer) -> None:
    _, before = trained(settings, 0)
    whole, after = trained(settings, 150)
    assert after < before / 5
    for other in (trained(settings, 150)[0], trained(settings, 150, stop=70)[0]):
        for one, two in zip(whole.parameters(), other.parameters(), strict=True):
            assert torch.equal(one, two)


Reference = Callable[[np.ndarray, np.ndarray, dict[str, Any], int], np.ndarray]
"""(weights, gradient, what it keeps, step from 1) → the next weights"""


def sgd(w, g, kept, step):
    g = g + 1e-4 * w
    b = kept["b"] = g if step == 1 else 0.9 * kept["b"] + g
    return w - 0.05 * (g + 0.9 * b)


def means(g, kept, b1, b2):
    kept["m"] = b1 * kept.get("m", 0) + (1 - b1) * g
    kept["v"] = b2 * kept.get("v", 0) + (1 - b2) * g * g
    return kept["m"], kept["v"]


def adam(w, g, kept, step):
    m, v = means(g + 1e-3 * w, kept, 0.9, 0.999)
    return w - 0.01 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)


def bert_adamw(w, g, kept, step):
    m, v = means(g, kept, 0.9, 0.999)
    return w - 0.003 * (m / (np.sqrt(v) + 1e-6) + 0.01 * w)


def lamb(w, g, kept, step):
    m, v = means(g, kept, 0.9, 0.999)
    u = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-6) + 0.01 * w
    return w - 0.02 * np.linalg.norm(w) / np.linalg.norm(u) * u


def lion(w, g, kept, step):
    m = kept.get("m", np.zeros_like(g))
    kept["m"] = 0.99 * m + 0.01 * g
    return w * (1 - 0.002 * 0.1) - 0.002 * np.sign(0.9 * m + 0.1 * g)


def stable_adamw(w, g, kept, step):
    m, v = means(g, kept, 0.9, 0.99)
    v = v / (1 - 0.99**step)
    rate = 0.01 / max(1.0, np.sqrt(np.mean(g * g / np.maximum(v, 1e-16))))
    return w * (1 - rate * 0.01) - rate * (m / (1 - 0.9**step)) / (np.sqrt(v) + 1e-8)


def adafactor(w, g, kept, step):
    keep = 1 - step**-0.8
    r = kept["r"] = keep * kept.get("r", 0) + (1 - keep) * (g * g).mean(1, keepdims=True)
    c = kept["c"] = keep * kept.get("c", 0) + (1 - keep) * (g * g).mean(0, keepdims=True)
    u = g / np.sqrt(r * c / r.mean())
    u = u / max(1.0, np.sqrt(np.mean(u * u)))
    return w - max(1e-3, np.sqrt(np.mean(w * w))) * min(0.03, step**-0.5) * u


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("sgd, momentum", sgd),
        ("adam", adam),
        ("bert_adamw", bert_adamw),
        ("lamb", lamb),
        ("lion", lion),
        ("stable_adamw", stable_adamw),
        ("adafactor", adafactor),
    ],
)
def test_a_matrix_follows_the_formula(name: str, reference: Reference) -> None:
    layer = nn.Linear(5, 3, bias=False)
    layer.weight.data = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    optimizer = ALL[name].build(model=layer)
    expected, kept = layer.weight.detach().double().numpy().copy(), {}
    for step in range(1, 8):
        scale = 30.0 if step == 5 else 1.0  # a spike
        gradient = scale * torch.randn(3, 5, generator=torch.Generator().manual_seed(step))
        layer.weight.grad = gradient.clone()
        optimizer.step()
        expected = reference(expected, gradient.double().numpy(), kept, step)
        torch.testing.assert_close(
            layer.weight.detach().double(), torch.from_numpy(expected), rtol=2e-5, atol=1e-6
        )


@pytest.mark.parametrize("name", ["lion", "stable_adamw"])
def test_agrees_with_a_kept_library(name: str) -> None:
    library = pytest.importorskip("pytorch_optimizer")
    ours, theirs = Blocks(), Blocks()
    settings = ALL[name]
    optimizer = settings.build(model=ours)
    decayed = [p for p in theirs.parameters() if p.ndim > 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": [p for p in theirs.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    more = {"kahan_sum": False} if name == "stable_adamw" else {}
    other = {"lion": library.Lion, "stable_adamw": library.StableAdamW}[name](
        groups, lr=settings.lr, betas=settings.betas, **more
    )
    for step in range(6):
        for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(step))
            two.grad = one.grad.clone()
        optimizer.step()
        other.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def stepped(settings: GroupedOptimizer, scale: float = 1.0) -> dict[str, tuple[Tensor, Tensor]]:
    """name → (weights before, the first step)"""
    model = Blocks()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = settings.build(model=model)
    for number, parameter in enumerate(model.parameters()):
        parameter.grad = scale * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    optimizer.step()
    return {name: (before[name], p.detach() - before[name]) for name, p in model.named_parameters()}


def test_lion_moves_every_weight_by_the_rate() -> None:
    for _, step in stepped(Lion(lr=0.5, weight_decay=0)).values():
        torch.testing.assert_close(step.abs(), torch.full_like(step, 0.5))


def test_lamb_moves_a_matrix_by_a_share_of_its_size_whatever_the_gradient() -> None:
    for scale in (1e-3, 1.0, 1e3):
        for before, step in stepped(Lamb(lr=0.01, eps=1e-12), scale).values():
            if before.ndim > 1:
                assert float(step.norm() / before.norm()) == pytest.approx(0.01, rel=1e-3)


def test_lamb_starts_from_zeros() -> None:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data.zero_()
    layer.weight.grad = torch.ones(2, 2)
    Lamb(lr=0.1).build(model=layer).step()
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 2), -0.1))


def test_muon_steps_matrices_inside_along_all_directions_alike_and_the_rest_as_adamw() -> None:
    muon, adamw = stepped(Muon(lr=0.1, weight_decay=0)), stepped(AdamW(lr=0.1, weight_decay=0))
    for name, (before, step) in muon.items():
        if name.startswith("layers") and before.ndim == 2:
            values = torch.linalg.svdvals(step.double()) / (0.1 * 0.2 * math.sqrt(max(before.shape)))
            assert float(values.min()) > 0.5 and float(values.max()) < 1.3
        else:
            assert torch.equal(step, adamw[name][1])


def test_adafactor_keeps_a_row_and_a_column() -> None:
    model = nn.Linear(50, 30, bias=False)
    model.weight.grad = torch.ones(30, 50)
    optimizer = Adafactor().build(model=model)
    optimizer.step()
    assert sum(tensor.numel() for tensor in optimizer.state[model.weight].values()) <= 30 + 50 + 1


@pytest.mark.parametrize(
    "settings", [Muon(lr=0.1), Lamb(lr=0.1), Adafactor(lr=0.1)], ids=["muon", "lamb", "adafactor"]
)
def test_a_matrix_that_is_kept_the_other_way_round_is_stepped_alike(settings: GroupedOptimizer) -> None:
    steps = []
    for turn in (False, True):
        torch.manual_seed(0)
        weight, gradient = torch.randn(6, 9), torch.randn(6, 9)
        holder = nn.Module()
        holder.h = nn.ModuleList([nn.Linear(1, 1, bias=False)])
        holder.h[0].weight = nn.Parameter((weight.T if turn else weight).contiguous())
        holder.h[0].weight.grad = (gradient.T if turn else gradient).contiguous()
        settings.build(model=holder).step()
        found = holder.h[0].weight.detach()
        steps.append(found.T if turn else found)
    torch.testing.assert_close(*steps, rtol=2e-2, atol=2e-3)  # Newton and Schulz's steps are taken in bf16


def test_stable_adamw_looks_at_no_less_than_the_square_of_eps() -> None:
    last = {}
    for settings in (StableAdamW(eps=0.5, weight_decay=0), AdamW(eps=0.5, betas=(0.9, 0.99), weight_decay=0)):
        layer = nn.Linear(4, 4, bias=False)
        optimizer = settings.build(model=layer)
        for size in (*[0.1] * 20, 2.0):
            before = layer.weight.detach().clone()
            layer.weight.grad = torch.full((4, 4), size)
            optimizer.step()
        last[settings.registered_as[1]] = float((layer.weight.detach() - before).abs().max())
    assert last["adamw"] / last["stable_adamw"] == pytest.approx(2.0 / 0.5, rel=1e-3)


def test_stable_adamw_shortens_the_step_at_a_spike_alone() -> None:
    moves: dict[str, list[float]] = {}
    for settings in (StableAdamW(lr=0.01, weight_decay=0), AdamW(lr=0.01, betas=(0.9, 0.99), weight_decay=0)):
        layer = nn.Linear(4, 4, bias=False)
        optimizer = settings.build(model=layer)
        for scale in (*[1.0] * 20, 1000.0):
            before = layer.weight.detach().clone()
            layer.weight.grad = torch.full((4, 4), scale)
            optimizer.step()
            moves.setdefault(settings.registered_as[1], []).append(
                float((layer.weight.detach() - before).abs().max())
            )
    stable, plain = moves["stable_adamw"], moves["adamw"]
    assert stable[:-1] == pytest.approx(plain[:-1], rel=1e-4)
    second = (sum(0.01 * 0.99 ** (20 - step) for step in range(20)) + 0.01 * 1e6) / (1 - 0.99**21)
    assert (
        plain[-1] / stable[-1] == pytest.approx(1000 / math.sqrt(second), rel=1e-3)
        and stable[-1] < plain[-1] / 4
    )


def test_layers_below_learn_slower() -> None:
    settings = AdamW(lr=0.1, layer_decay=0.5)
    rates = {
        name: group["lr"] for group in settings.build(model=Blocks()).param_groups for name in group["names"]
    }
    assert rates["head.weight"] == rates["head.bias"] == pytest.approx(0.1)
    assert rates["layers.1.weight"] == pytest.approx(0.05) and rates["layers.0.bias"] == pytest.approx(0.025)
    assert rates["embeddings.weight"] == pytest.approx(0.0125)


def test_overrides_by_name() -> None:
    overrides = [{"match": "layers.*", "rate": 0.5}, {"match": "*.1.bias", "rate": 3, "weight_decay": 0.2}]
    settings = AdamW.model_validate({"lr": 0.1, "weight_decay": 0.01, "overrides": overrides})
    found = {
        name: (group["lr"], group["weight_decay"])
        for group in settings.build(model=Blocks()).param_groups
        for name in group["names"]
    }
    assert found["head.weight"] == (0.1, 0.01) and found["head.bias"] == (0.1, 0.0)
    assert found["layers.0.weight"] == (0.05, 0.01) and found["layers.0.bias"] == (0.05, 0.0)
    assert found["layers.1.bias"] == (pytest.approx(0.3), 0.2) and found["layers.1.weight"] == (0.05, 0.01)


def test_an_override_multiplies_what_the_layer_has() -> None:
    settings = AdamW.model_validate(
        {"lr": 0.1, "layer_decay": 0.5, "overrides": [{"match": "layers.*.weight", "rate": 3}]}
    )
    rates = {
        name: group["lr"] for group in settings.build(model=Blocks()).param_groups for name in group["names"]
    }
    assert rates["layers.1.weight"] == pytest.approx(0.15) and rates["layers.1.bias"] == pytest.approx(0.05)
    assert rates["layers.0.weight"] == pytest.approx(0.075) and rates["embeddings.weight"] == pytest.approx(
        0.0125
    )


def test_a_pattern_that_matches_nothing_is_refused_by_name() -> None:
    settings = AdamW.model_validate({"overrides": [{"match": "layer.*"}]})
    with pytest.raises(UserError, match=r"optimizer.overrides: 'layer\.\*' matches no parameter"):
        settings.build(model=Blocks())


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValidationError, match="no momentum to look along"):
        Sgd(nesterov=True)


@pytest.mark.parametrize("settings", [Sgd, Adam, NtAsgd])
def test_the_decay_of_others_leads_to_the_coupled_one(settings: type[GroupedOptimizer]) -> None:
    with pytest.raises(ValidationError, match=r"unknown key 'weight_decay'.*did you mean 'l2'"):
        settings.model_validate({"weight_decay": 0.1})
