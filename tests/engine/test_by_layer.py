"""Steps in the backward pass: the weights of the plain step, without its gradients."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from acclimate.engine.loop import NonFiniteLoss, train
from acclimate.errors import UserError
from acclimate.optim.accumulate_by_layer import AccumulateByLayer
from acclimate.optim.centralize import Centralize
from acclimate.optim.clip_adaptive import ClipAdaptive
from acclimate.optim.clip_value import ClipValue
from acclimate.optim.coupled_decay import CoupledDecay
from acclimate.optim.gradients import Gradients
from acclimate.optim.layer_hooks import LayerHooks
from acclimate.optim.sgd import Sgd
from acclimate.recipe.registry import registry


def weights(state: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in state.model.parameters()]


def trained(
    make: Any, optimizer: Any, gradients: list[Any], **more: Any
) -> tuple[list[torch.Tensor], list[Any]]:
    training, state = make("6 steps", **more)
    state.optimizer, state.gradients = optimizer.build(model=state.model), [one.build() for one in gradients]
    records = list(train(training, state))
    assert all(p.grad is None for p in state.model.parameters())
    return weights(state), records


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", sorted(registry.names("optimizer")))
def test_a_fused_step_is_the_plain_one(make, name: str, precision: str) -> None:
    """With the very optimizer of the plain step, one parameter at a time; rows of tables are added in another order."""
    optimizer: Any = registry.get("optimizer", name)(lr=0.01)
    plain, before = trained(make, optimizer, [], precision=precision)
    fused, after = trained(make, optimizer, [AccumulateByLayer()], precision=precision)
    for one, two in zip(plain, fused, strict=True):
        if name == "sgd" and precision == "fp32":
            torch.testing.assert_close(one, two, rtol=0, atol=1e-6)
        else:  # Adam's likes and signs magnify the rounding of what is nearly zero
            assert float((one - two).abs().mean()) < 1e-4
    for one, two in zip(before, after, strict=True):
        assert one.gradient_norm == pytest.approx(
            two.gradient_norm, rel=1e-3 if precision == "fp32" else 3e-2
        )


def test_without_quick_ways_the_bits_are_the_same(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    for settings in (Sgd(lr=0.1, momentum=0.9), registry.get("optimizer", "adamw")(lr=0.01)):
        plain, _ = trained(make, settings, [])
        fused, _ = trained(make, settings, [AccumulateByLayer()])
        assert all(torch.equal(a, b) for a, b in zip(plain, fused, strict=True))


def test_what_looks_at_one_parameter_goes_with_it(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    others = [CoupledDecay(alpha=0.01), Centralize(), ClipAdaptive(share=0.02), ClipValue(largest=0.01)]
    plain, _ = trained(make, Sgd(lr=0.5), others)
    fused, _ = trained(make, Sgd(lr=0.5), [others[0], AccumulateByLayer(), *others[1:]])
    without, _ = trained(make, Sgd(lr=0.5), [])
    assert all(torch.equal(a, b) for a, b in zip(plain, fused, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(plain, without, strict=True))


class Tower(nn.Module):
    """Layers that are equal at the start, of one tensor or of several."""

    def __init__(self, *, tied: bool, layers: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.below = nn.Linear(3, 8)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(layers))
        self.head = nn.Linear(8, 1)
        for parameter in (*self.below.parameters(), *self.layers[0].parameters(), *self.head.parameters()):
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
        for number in range(1, layers):
            if tied:
                self.layers[number] = self.layers[0]
            else:
                self.layers[number].load_state_dict(self.layers[0].state_dict())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.below(x)
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.head(x)


@pytest.mark.parametrize("fused", [False, True])
def test_shared_sums_are_those_of_a_tied_tensor(fused: bool) -> None:
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    tied, apart = Tower(tied=True), Tower(tied=False)
    plain, ours = (torch.optim.SGD(one.parameters(), lr=0.1, momentum=0.9) for one in (tied, apart))
    hooks = LayerHooks(fused=fused, share=True)
    for _ in range(4):
        tied(x).square().mean().backward()
        expected = tied.layers[0].weight.grad.clone()
        plain.step()
        plain.zero_grad()
        with hooks.at_work(apart, ours, []):
            apart(x).square().mean().backward()
        if not fused:
            for layer in apart.layers:
                torch.testing.assert_close(layer.weight.grad, expected)
            assert len({layer.weight.grad.data_ptr() for layer in apart.layers}) == 4
            ours.step()
        assert fused == all(p.grad is None for p in apart.parameters())
        ours.zero_grad()
    for layer in apart.layers:
        torch.testing.assert_close(layer.weight, tied.layers[0].weight)
        assert torch.equal(layer.weight, apart.layers[0].weight)
    torch.testing.assert_close(apart.below.weight, tied.below.weight)


def test_shared_sums_over_micro_batches_are_those_of_the_whole(make) -> None:
    sums = AccumulateByLayer(fused=False, share=True)
    whole, _ = trained(make, Sgd(lr=0.2), [sums], dropout=0.0)
    pieces, _ = trained(make, Sgd(lr=0.2), [sums], dropout=0.0, micro_batch="5 sequences")
    for one, two in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_never_more_than_one_gradient_is_held(make) -> None:
    training, state = make("2 steps", dropout=0.0)
    held: dict[bool, int] = {}
    for fused in (False, True):
        training, state = make("2 steps", dropout=0.0)
        state.optimizer = Sgd(lr=0.1).build(model=state.model)
        state.gradients = [AccumulateByLayer().build()] if fused else []
        peak = 0

        def look(parameter: Any, state: Any = state) -> None:
            nonlocal peak
            now = sum(p.grad.nbytes for p in state.model.parameters() if p.grad is not None)
            peak = max(peak, now)

        for parameter in state.model.parameters():  # before ours: when a gradient has come
            parameter.register_post_accumulate_grad_hook(look)
        list(train(training, state))
        held[fused] = peak
        gc.collect()
    largest = max(p.nbytes for p in state.model.parameters())
    assert held[True] == largest < held[False] / 5


def test_several_micro_batches_are_refused(make) -> None:
    training, state = make("2 steps", micro_batch="5 sequences")
    state.gradients = [AccumulateByLayer().build()]
    with pytest.raises(UserError, match="accumulate_by_layer: a fused step takes a batch at once, found 4"):
        next(iter(train(training, state)))


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_ends_the_training(make, examples, where: str) -> None:
    training, state = make("3 steps", dropout=0.0)
    state.gradients = [AccumulateByLayer().build()]
    before = weights(state)
    objective = type(training.objective)(examples[1], num_classes=2)
    plain = objective.loss

    def breaking(model: Any, batch: Any) -> Any:
        found = plain(model, batch)
        if where == "loss":
            return replace(found, sum=found.sum * float("nan"))
        model.bert.encoder.layer[0].output.dense.bias.register_hook(lambda g: g * float("inf"))
        return found

    objective.loss = breaking
    message = (
        "the loss is nan" if where == "loss" else "encoder.layer.0.output.dense.bias has the norm .* stepped"
    )
    with pytest.raises(NonFiniteLoss, match=f"step 1: .*{message}.*document-"):
        next(iter(train(replace(training, objective=objective), state)))
    moved = [not torch.equal(a, b) for a, b in zip(before, weights(state), strict=True)]
    assert not any(moved) if where == "loss" else not all(moved)


def test_a_layer_that_was_left_out_of_a_step_shares_in_it_all_the_same() -> None:
    one = Tower(tied=False)
    optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
    before = one.layers[3].weight.detach().clone()
    x = torch.ones(2, 3)
    with LayerHooks(fused=True, share=True).at_work(one, optimizer, []):
        one.head(torch.tanh(one.layers[0](one.below(x)))).sum().backward()
    assert not torch.equal(one.layers[3].weight, before)
    assert torch.equal(one.layers[3].weight, one.layers[0].weight)
    assert not Gradients(one.named_parameters()).parameters


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is left to do"):
        AccumulateByLayer(fused=False)
