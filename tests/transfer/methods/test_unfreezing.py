"""What trains when: by epoch for gradual unfreezing, one part after another for chain-thaw and probing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from acclimate.engine.fit import ValidationRecord
from acclimate.engine.loop import StepRecord
from acclimate.errors import UserError
from acclimate.recipe.units import Length
from acclimate.transfer.methods.freeze import HeadOnly
from acclimate.transfer.methods.unfreezing import ChainThaw, Gradual, ProbeFirst
from acclimate.transfer.tuning import tune


class Moved:
    """Which parts of a mini BERT moved in each epoch (five steps of eight sequences)."""

    def __init__(self, model: Any) -> None:
        self.model, self.epochs, self.rates, self.validations = model, [], [], []
        self._before = self._weights()

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: one.detach().clone() for name, one in self.model.named_parameters()}

    def __call__(self, record: Any, progress: Any) -> None:
        if isinstance(record, ValidationRecord):
            self.validations.append(record.step)
        if not isinstance(record, StepRecord):
            return
        self.rates.append(record.learning_rate)
        if record.step % 5 == 0:
            now = self._weights()
            parts = {_part(name) for name in now if not torch.equal(now[name], self._before[name])}
            self.epochs.append(parts)
            self._before = now


def _part(name: str) -> str | int:
    if ".layer." in name:
        return int(name.split(".")[3])
    return "embeddings" if ".embeddings." in name else "head"


@pytest.fixture
def moved(classifier: Callable[..., Any], course: Callable[..., Any]) -> Callable[..., Moved]:
    def run(transfer: Any, **settings: Any) -> Moved:
        watched = Moved(classifier())
        one = course(watched.model, transfer, watch=watched, patience=None, **settings)
        tune(one.how, watched.model, one.train, one.validation, seed=9, around=one.around)
        return watched

    return run


def test_gradual_unfreezing_adds_a_block_an_epoch_from_the_top(moved: Callable[..., Moved]) -> None:
    seen = moved("gradual", length="7 epochs", schedule="constant")
    every = {"head", 0, 1, 2, 3, "embeddings"}
    assert seen.epochs == [
        {"head"}, {"head", 3}, {"head", 3, 2}, {"head", 3, 2, 1}, {"head", 3, 2, 1, 0}, every, every,
    ]  # fmt: skip
    assert seen.validations == [5, 10, 15, 20, 25, 30, 35]


def test_an_order_may_leave_out_what_never_trains(moved: Callable[..., Moved]) -> None:
    seen = moved({"gradual": {"order": [0, "embeddings"], "every": "1 epochs"}}, length="3 epochs")
    assert seen.epochs == [{"head"}, {"head", 0}, {"head", 0, "embeddings"}]


def test_one_schedule_goes_through_all_of_gradual_unfreezing(moved: Callable[..., Moved]) -> None:
    seen = moved({"gradual": {"order": [-1]}}, length="4 epochs", schedule={"linear": {"warmup": "10%"}})
    assert all(later < earlier for earlier, later in pairwise(seen.rates[3:]))


def test_chain_thaw_trains_each_part_by_itself_and_then_all(moved: Callable[..., Moved]) -> None:
    seen = moved("chain_thaw", length="7 epochs", schedule="constant")
    assert seen.epochs[:6] == [{"head"}, {"embeddings"}, {0}, {1}, {2}, {3}]
    assert seen.epochs[6] == {"head", 0, 1, 2, 3, "embeddings"}


def test_probing_comes_first_at_its_own_rate_and_each_part_has_a_schedule(
    moved: Callable[..., Moved],
) -> None:
    seen = moved(
        {"probe_first": {"share": "50%", "rate": 5}}, length="4 epochs", schedule={"linear": {"warmup": 0}}
    )
    every = {"head", 0, 1, 2, 3, "embeddings"}
    assert seen.epochs == [{"head"}, {"head"}, every, every]
    assert seen.rates[:10] == pytest.approx([5 * rate for rate in seen.rates[10:]])
    assert seen.rates[10] > 5 * seen.rates[-1]


def test_each_phase_of_its_own_begins_with_the_best_weights_so_far(
    classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    """At a rate that ruins the model, the best head is kept, and the body is as it was."""
    model = classifier()
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    losses: list[float] = []

    def watch(record: Any, progress: Any) -> None:
        if isinstance(record, ValidationRecord):
            losses.append(record.loss)

    one = course(
        model, {"probe_first": {"rate": 1e-3}}, watch=watch, optimizer={"adamw": {"lr": 2.0}}, patience=None
    )
    tuned = tune(one.how, model, one.train, one.validation, seed=9, around=one.around)
    assert tuned.validation_loss == min(losses) == min(losses[:2]) < min(losses[2:])
    head = HeadOnly().build(model=model, length=one.how.length, seed=0).trained
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in head), name


@pytest.mark.parametrize(
    ("method", "length", "message"),
    [
        (
            Gradual(order=[3, 7]),
            "9 epochs",
            r"transfer.gradual.order: the model has no block 7; its blocks are 0 to 3",
        ),
        (Gradual(order=["encoder"]), "9 epochs", r"'encoder' matches no parameter"),
        (
            Gradual(),
            "5 epochs",
            r"the last of 5 parts would begin after '1 epochs' each, and the task's length is '5 ep",
        ),
        (
            Gradual(),
            "500 steps",
            r"'1 epochs' is in epochs, the task's length '500 steps' in steps; say both",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    method: Any, length: str, message: str, classifier: Callable[..., Any]
) -> None:
    with pytest.raises(UserError, match=message):
        method.build(model=classifier(), length=Length.parse(length), seed=0)


@pytest.mark.parametrize("method", [Gradual(), ChainThaw(), ProbeFirst()])
def test_a_model_without_blocks_is_refused(method: Any) -> None:
    with pytest.raises(UserError, match="no head above numbered layers"):
        method.build(model=torch.nn.Linear(2, 2), length=Length.parse("9 epochs"), seed=0)


@pytest.mark.parametrize("transfer", ["gradual", "chain_thaw", "probe_first", {"reinitialise": 2}])
def test_the_same_seed_gives_the_same_bytes(
    transfer: Any, classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    def run(seed: int) -> dict[str, torch.Tensor]:
        model = classifier("tiny")
        one = course(model, transfer, length="4 epochs")
        tune(one.how, model, one.train, one.validation, seed=seed)
        return dict(model.state_dict())

    first, second, other = run(9), run(9), run(10)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_length_without_room_is_told_before_anything_runs() -> None:
    from acclimate.transfer.methods.soup import Soup

    for method in (Gradual(), Soup(then=Gradual())):
        with pytest.raises(UserError, match="the last of 3 parts would begin after '1 epochs' each"):
            method.require_length(2, Length.parse("3 epochs"))
        method.require_length(2, Length.parse("4 epochs"))
