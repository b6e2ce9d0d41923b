"""A model that grows while it trains: what holds still, what starts anew, and going on from any checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acclimate.engine.checkpoint import Checkpoints
from acclimate.engine.fit import CheckpointRecord, Surroundings, ValidationRecord
from acclimate.engine.growing import GrowingState, GrownRecord, fit_stages, stages
from acclimate.engine.interrupt import Interrupted
from acclimate.engine.loop import StepRecord, Training, train
from acclimate.engine.measure import Measured
from acclimate.engine.state import TrainState
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.growing import Stacks
from acclimate.optim.adamw import AdamW
from acclimate.optim.clip_percentile import ClipPercentile
from acclimate.recipe.growth import Grow
from acclimate.recipe.units import Length, Progress

FOUR = {**Bert.sizes["tiny"], "num_hidden_layers": 4}
STAGES = [{"layers": 1, "length": "25%"}, {"layers": 2, "length": "25%", "rate": 0.5}]


class Deep(Bert):
    sizes = {**Bert.sizes, "tiny": FOUR}  # noqa: RUF012


MakeGrowing = Callable[..., tuple[Training, GrowingState]]


@pytest.fixture
def growing(make) -> MakeGrowing:
    """growing(by=…, train=…) → a training of 12 steps and its state: 1 layer, 2, then all 4; always the same."""

    def build(length: str = "12 steps", **settings: Any) -> tuple[Training, GrowingState]:
        training, _ = make(length)
        model = Deep.model_validate({"size": "tiny", "positions": 16}).build(
            vocabulary=Vocabulary(25, 0), seed=5, kind="classification", labels=Labels(("even", "odd"))
        )
        grow = Grow.model_validate({"stages": STAGES, **settings})
        stacks = Stacks(model)
        state = GrowingState(
            model,
            stacks,
            grow.plan(stacks.depth, training.length),
            grow.by,
            lambda: AdamW(lr=2e-3).build(model=model),
            lambda: [ClipPercentile(percentile=50).build()],
            [],
            [],
        )
        return training, state

    return build


def snapshot(state: TrainState) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.model.named_parameters()}


def weights_after(training: Training, state: GrowingState) -> list[dict[str, Tensor]]:
    """The weights at the start and at the end of each stage, in turn."""
    found = []
    for stage in stages(training, state):
        found.append(snapshot(state))
        for _ in train(stage, state):
            pass
        found.append(snapshot(state))
    return found


@pytest.mark.parametrize("by", ["copy", "zero"])
def test_what_is_frozen_keeps_its_bits(growing, by: str) -> None:
    training, state = growing(by=by, train="new")
    first, first_end, second, second_end, third, third_end = weights_after(training, state)
    still = [name for name in second if "embeddings" in name or ".layer.0." in name]
    assert len(still) > 15
    assert all(torch.equal(second[name], second_end[name]) for name in still)
    moved = [name for name in second if name not in still]
    assert all(not torch.equal(second[name], second_end[name]) for name in moved if "key.bias" not in name)
    # Growing itself leaves them too, but for the norm that moves up.
    changed = {name for name in first_end if not torch.equal(first_end[name], second[name])}
    closing = {f"bert.encoder.layer.0.output.LayerNorm.{one}" for one in ("weight", "bias")}
    assert changed == (closing if by == "zero" else set())
    # The last stage trains all.
    assert all(not torch.equal(third[name], third_end[name]) for name in third if "key.bias" not in name)
    assert len(first) < len(second) < len(third)


def test_frozen_layers_have_no_state_no_gradient_and_no_dropout(growing) -> None:
    training, state = growing(train="new")
    later = stages(training, state)
    for _ in train(next(later), state):
        pass
    stage = next(later)
    for _ in train(stage, state):
        break
    names = [name for group in state.optimizer.param_groups for name in group["names"]]
    assert names and not any("embeddings" in name or ".layer.0." in name for name in names)
    layers = state.model.bert.encoder.layer
    assert not layers[0].training and layers[1].training and not state.model.bert.embeddings.training
    assert all(one.grad is None for one in layers[0].parameters())


def test_each_stage_has_its_length_its_rate_and_a_new_optimizer(growing) -> None:
    training, state = growing()
    lines, schedule = [], training.schedule
    for stage in stages(training, state):
        assert not state.optimizer.state  # nothing is known of the stage before
        assert not state.gradients[0].state_dict()["history"]
        for record in train(stage, state):
            lines.append((record.step, state.phase.layers, record.learning_rate))
    assert [layers for _, layers, _ in lines] == [1] * 3 + [2] * 3 + [4] * 6
    for step, layers, rate in lines:
        usual = 2e-3 * schedule(Progress(steps=step - 1))
        assert rate == pytest.approx(usual * (0.5 if layers == 2 else 1.0))


class Looks:
    """Validations that get worse and worse."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> Measured:
        self.number += 1
        return Measured(np.array([0]), np.array([float(self.number)]), np.array([1.0]))


def records_of(
    growing, folder: Path, stop_after: int | None = None, **settings: Any
) -> tuple[Any, list[Any]]:
    """(state, records) of a training with its surroundings; asked to stop after a step."""
    training, state = growing(**settings)
    checkpoints = Checkpoints(folder)
    checkpoints.resume(state)
    around = Surroundings(
        checkpoints=checkpoints,
        best=checkpoints,
        stop=lambda: state.progress.steps == stop_after,
    )
    found = []
    try:
        for record in fit_stages(training, state, around):
            found.append(record)
    except Interrupted:
        assert stop_after is not None
    return state, found


@pytest.mark.parametrize("settings", [{}, {"by": "zero", "train": "new"}], ids=["copy-all", "zero-new"])
def test_it_goes_on_to_the_same_bits_from_within_and_from_the_end_of_every_stage(
    growing, tmp_path: Path, settings: dict[str, Any]
) -> None:
    whole, told = records_of(growing, tmp_path / "whole", **settings)
    for stop in (2, 3, 4, 6, 7, 11):  # 3 and 6 are the last steps of their stages
        folder = tmp_path / str(stop)
        _, before = records_of(growing, folder, stop, **settings)
        state, after = records_of(growing, folder, **settings)
        assert state.progress.steps == 12
        assert all(torch.equal(one, whole.tensors()[name]) for name, one in state.tensors().items())
        assert state.tensors().keys() == whole.tensors().keys()

        def steps(records: list[Any]) -> list[Any]:
            return [(one.step, one.loss, one.figures) for one in records if isinstance(one, StepRecord)]

        def grown(records: list[Any]) -> list[Any]:
            return [one for one in records if isinstance(one, GrownRecord)]

        assert steps(before) + steps(after) == steps(told)
        assert grown(before) + grown(after) == grown(told)


def test_it_says_when_it_grew_and_saves_before_it_does(growing, tmp_path: Path) -> None:
    _, found = records_of(growing, tmp_path, train="new")
    grown = [one for one in found if isinstance(one, GrownRecord)]
    assert [(one.step, one.phase, one.phases, one.layers) for one in grown] == [
        (1, 1, 3, 1),
        (4, 2, 3, 2),
        (7, 3, 3, 4),
    ]
    assert grown[0].trained == grown[0].parameters and grown[2].trained == grown[2].parameters
    layer = (grown[2].parameters - grown[1].parameters) // 2
    assert grown[1].parameters - grown[0].parameters == layer
    assert layer < grown[1].trained < layer + 20_000  # a pooler and a classifier besides
    for one, following in pairwise(found):
        if isinstance(following, GrownRecord):
            assert isinstance(one, CheckpointRecord) and one.step == following.step - 1
    layers = [one.figures["layers"] for one in found if isinstance(one, StepRecord)]
    assert layers == [1] * 3 + [2] * 3 + [4] * 6


def test_a_damaged_checkpoint_sends_it_back_into_the_stage_before(growing, tmp_path: Path) -> None:
    whole, _ = records_of(growing, tmp_path / "whole")
    records_of(growing, tmp_path / "hurt", 5)
    hurt = tmp_path / "hurt"
    saved = sorted(hurt.glob("step-*"))
    assert [path.name for path in saved] == ["step-000000003", "step-000000005"]
    (saved[1] / "state.safetensors").write_bytes(b"torn")
    state, _ = records_of(growing, hurt)
    assert all(torch.equal(one, whole.tensors()[name]) for name, one in state.tensors().items())


def test_only_the_last_stage_ends_early_and_its_best_model_is_whole(growing, tmp_path: Path) -> None:
    training, state = growing("40 steps")
    checkpoints = Checkpoints(tmp_path)
    around = Surroundings(
        validate=Looks(),
        validate_every=Length(1, "steps"),
        patience=3,
        best=checkpoints,
        checkpoints=checkpoints,
    )
    seen: dict[int, dict[str, Tensor]] = {}
    for record in fit_stages(training, state, around):
        if isinstance(record, ValidationRecord):
            seen[record.step] = snapshot(state)
    assert state.progress.steps == 20 + 1 + 3 and state.best_step == 21
    assert state.phase.layers == 4
    assert all(torch.equal(one, seen[21][name]) for name, one in snapshot(state).items())
