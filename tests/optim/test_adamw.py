"""AdamW against its formula, decay on the right parameters, and repeatability."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.optim.adamw import AdamW
from acclimate.optim.parameter_groups import parameter_groups


def test_steps_follow_the_formula() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    settings = AdamW(lr=0.1, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.3)
    optimizer = settings.build(model=layer)
    expected = {name: p.detach().double().clone() for name, p in layer.named_parameters()}
    moments = {name: (torch.zeros_like(v), torch.zeros_like(v)) for name, v in expected.items()}
    for step in range(1, 6):
        for name, p in layer.named_parameters():
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step))
            g, (m, v) = p.grad.double(), moments[name]
            m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
            moments[name] = (m, v)
            decay = 0.3 if name == "weight" else 0.0
            update = (m / (1 - 0.8**step)) / ((v / (1 - 0.9**step)).sqrt() + 1e-6)
            expected[name] = expected[name] * (1 - 0.1 * decay) - 0.1 * update
        optimizer.step()
    for name, p in layer.named_parameters():
        torch.testing.assert_close(p.double(), expected[name], rtol=1e-5, atol=1e-6)


def test_biases_and_norms_do_not_decay_and_tied_weights_stand_once() -> None:
    model = Bert.model_validate({"size": "tiny", "positions": 32}).build(vocabulary=Vocabulary(40, 0), seed=0)
    decayed, spared = parameter_groups(model, 0.01)
    assert decayed["weight_decay"] == 0.01 and spared["weight_decay"] == 0.0
    assert all("bias" in name or "LayerNorm" in name for name in spared["names"])
    assert not any("bias" in name or "LayerNorm" in name for name in decayed["names"])
    names = decayed["names"] + spared["names"]
    assert len(names) == len(set(names)) == len(list(model.parameters()))
    counted = sum(p.numel() for group in (decayed, spared) for p in group["params"])
    assert counted == sum(p.numel() for p in model.parameters())


def test_frozen_parameters_are_left_out() -> None:
    layer = torch.nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    groups = parameter_groups(layer, 0.1)
    assert [group["names"] for group in groups] == [["bias"]]


def test_converges_on_a_small_real_problem_and_repeats_bit_for_bit() -> None:
    def run() -> tuple[float, torch.Tensor]:
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(64, 4, generator=generator)
        y = x @ torch.tensor([1.0, -2.0, 0.5, 3.0])
        weights = torch.nn.Linear(4, 1)
        torch.nn.init.zeros_(weights.weight)
        torch.nn.init.zeros_(weights.bias)
        optimizer = AdamW(lr=0.05, weight_decay=0).build(model=weights)
        for _ in range(400):
            optimizer.zero_grad()
            loss = (weights(x).squeeze() - y).square().mean()
            loss.backward()
            optimizer.step()
        return float(loss.detach()), weights.weight.detach().clone()

    (loss, first), (_, second) = run(), run()
    assert loss < 1e-3 and math.isfinite(loss)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "wrong", [{"betas": [1.5, 0.9]}, {"betas": [0.9, 1.0]}, {"lr": 0}, {"weight_decay": -1}]
)
def test_values_that_torch_would_refuse_are_refused_before(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        AdamW.model_validate(wrong)
