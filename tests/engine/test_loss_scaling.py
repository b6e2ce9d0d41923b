"""Loss scaling: the rule of the scale, exactness, what happens when gradients overflow."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.engine import backward
from acclimate.engine.loop import NonFiniteLoss, train
from acclimate.engine.loss_scaling import LossScaler
from acclimate.engine.precision import choose_precision, compute_in
from acclimate.errors import UserError
from acclimate.objectives.classify import SequenceClassification


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop as in fp16, the arithmetic in fp32."""
    monkeypatch.setattr(backward, "compute_in", lambda precision, device: nullcontext())


def test_the_scale_doubles_after_clean_steps_and_halves_at_once() -> None:
    scaler = LossScaler(patience=3)
    assert scaler.scale == 65536
    for _ in range(2):
        scaler.step_was_taken()
    assert scaler.found_infinite() and scaler.scale == 32768
    for _ in range(2):
        scaler.step_was_taken()
    assert scaler.scale == 32768  # the count began anew
    again = LossScaler(patience=3)
    again.load_state_dict(json.loads(json.dumps(scaler.state_dict())))
    again.step_was_taken()
    assert again.scale == 65536
    while again.scale > 1:
        assert again.found_infinite()
    assert not again.found_infinite() and again.scale == 1
    assert LossScaler()._patience == 2000


def test_powers_of_two_change_no_bit(make, exact: None) -> None:
    weights = []
    for precision in ("fp32", "fp16"):
        training, state = make("12 steps", precision=precision)
        state.scaler = LossScaler(patience=5)
        records = list(train(training, state))
        weights.append([p.detach().clone() for p in state.model.parameters()])
        if precision == "fp16":
            assert [r.figures["loss_scale"] for r in records] == [2.0**16] * 5 + [2.0**17] * 5 + [2.0**18] * 2
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


class Overflowing(SequenceClassification):
    """Its gradient is infinite, in steps that are told, where the loss is scaled by more than it says."""

    fired = 0

    def loss(self, model: Any, batch: Any) -> Any:
        found = super().loss(model, batch)
        if self.steps() not in self.at:
            return found

        def fire(gradient: torch.Tensor) -> torch.Tensor:
            too_much = float(gradient.abs().max()) * 16 > self.most
            Overflowing.fired += too_much
            return gradient * (float("inf") if too_much else 1.0)

        total = found.sum * 1.0
        total.register_hook(fire)
        return replace(found, sum=total)


def overflowing(make: Any, examples: Any, at: set[int], most: float) -> tuple[Any, Any]:
    training, state = make("10 steps", precision="fp16", dropout=0.0)
    objective = Overflowing(examples[1], num_classes=2)
    objective.at, objective.most, objective.steps = at, most, lambda: state.progress.steps
    Overflowing.fired = 0
    return replace(training, objective=objective), state


def test_an_infinite_gradient_skips_the_step_and_leaves_everything(make, examples, exact: None) -> None:
    training, state = overflowing(make, examples, {4}, 40_000)
    weights: list[list[torch.Tensor]] = []
    moments: list[dict[str, torch.Tensor]] = []
    records = []
    for record in train(training, state):
        records.append(record)
        weights.append([p.detach().clone() for p in state.model.parameters()])
        moments.append({n: t.clone() for n, t in state.tensors().items() if n.startswith("optimizer")})
    assert Overflowing.fired == 1
    assert [r.step for r in records if r.figures.get("skipped")] == [5]
    assert all(torch.equal(a, b) for a, b in zip(weights[3], weights[4], strict=True))
    assert all(torch.equal(moments[3][n], moments[4][n]) for n in moments[3])
    assert not all(torch.equal(a, b) for a, b in zip(weights[4], weights[5], strict=True))
    assert [r.figures["loss_scale"] for r in records] == [2.0**16] * 5 + [2.0**15] * 5
    assert not np.isfinite(records[4].gradient_norm) and np.isfinite(records[4].loss)
    assert records[4].figures.keys() == {"skipped", "loss_scale"}  # no transform saw the infinite gradient


def test_the_scale_falls_until_it_fits_and_resumes_from_a_checkpoint(make, examples, exact: None) -> None:
    training, state = overflowing(make, examples, set(range(10)), 10_000)
    skipped = []
    for record in train(training, state):
        skipped.append(bool(record.figures.get("skipped")))
        if record.step == 2:
            break
    again, resumed = overflowing(make, examples, set(range(10)), 10_000)
    resumed.load(state.tensors(), json.loads(json.dumps(state.scalars())))
    assert resumed.scaler.scale == 2.0**14
    skipped += [bool(r.figures.get("skipped")) for r in train(again, resumed)]
    assert skipped == [True] * 3 + [False] * 7 and resumed.scaler.scale == 2.0**13


def test_gradients_that_are_broken_at_any_scale_end_the_training(make, examples, exact: None) -> None:
    training, state = overflowing(make, examples, set(range(10)), 0)
    state.scaler.scale = 4.0
    with pytest.raises(NonFiniteLoss, match=r"step 3: .*norm (inf|nan)"):
        list(train(training, state))
    assert Overflowing.fired == 3


def test_half_precision_trains(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own fp16 products on the processor: close to fp32, from gradients that fp16 alone would lose."""
    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    losses = []
    for precision in ("fp32", "fp16"):
        training, state = make("30 steps", dropout=0.0, precision=precision)
        kinds: set[torch.dtype] = set()
        linear = state.model.bert.encoder.layer[0].intermediate.dense
        linear.register_forward_hook(lambda module, given, out, kinds=kinds: kinds.add(out.dtype))
        losses.append([record.loss for record in train(training, state)])
        assert kinds == {torch.float16 if precision == "fp16" else torch.float32}
        assert all(p.dtype == torch.float32 for p in state.model.parameters())
    assert losses[1] == pytest.approx(losses[0], abs=0.03) and losses[1][-1] < 0.4


def test_the_processor_is_refused_and_devices_are_taken() -> None:
    with pytest.raises(UserError, match=r"fp16 is for CUDA devices.*nearest: bf16"):
        choose_precision("fp16", torch.device("cpu"))
    assert choose_precision("fp16", torch.device("cuda")) == "fp16"
    with compute_in("fp16", torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float16
