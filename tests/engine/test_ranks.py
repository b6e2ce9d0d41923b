"""Several ranks learn what one process learns, stay equal to the bit, and end together.

The ranks are threads here, each with a training of its own; `tests/pipeline/test_ranks.py` has real processes.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from acclimate.engine.exchange import LostRank, SharedMemory
from acclimate.engine.loop import NonFiniteLoss, train
from acclimate.engine.ranks import COMPARE_EVERY, Ranks, Together
from acclimate.errors import UserError
from acclimate.objectives.classify import SequenceClassification
from acclimate.recipe.units import Length


def together(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` gives on each rank: its result, or the exception it raised."""
    pairs = [socket.socketpair() for _ in range(1, size)]
    memory = os.memfd_create("test")
    outcomes: list[Any] = [None] * size

    def run(rank: int) -> None:
        own = [pairs[rank - 1][1]] if rank else [ours for ours, _ in pairs]
        try:
            outcomes[rank] = work(Together(SharedMemory(rank, own, memory, size=size)))
        except Exception as error:
            outcomes[rank] = error
        for one in own:  # as when its process ends
            one.close()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a rank waits for ever"
    os.close(memory)
    return outcomes


def trained(training: Any, state: Any) -> tuple[list[Any], Any]:
    return list(train(training, state)), state


def weights(state: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in state.model.parameters()]


@pytest.fixture
def ranked(make) -> Callable[..., list[tuple[list[Any], Any]]]:
    """ranked(size, **as for make) → (records, state) of each rank"""

    def run(size: int, *arguments: Any, batch: str | None = None, **options: Any) -> list[Any]:
        def work(ranks: Ranks) -> Any:
            training, state = make(*arguments, dropout=0.0, ranks=ranks, **options)
            if batch is not None:
                training.feed.batch = Length.parse(batch)
            return trained(training, state)

        return together(size, work)

    return run


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (2, {}),
        (3, {}),
        (2, {"micro_batch": "3 sequences"}),
        (3, {"batch": "2 sequences"}),  # more ranks than sequences
        (2, {"batch": "20 tokens"}),  # shares of one sequence against two
    ],
)
def test_ranks_learn_what_one_process_learns(make, ranked, size: int, options: dict[str, Any]) -> None:
    training, state = make(dropout=0.0)
    training.feed.batch = Length.parse(options.get("batch", "16 sequences"))
    alone, state = trained(training, state)
    several = ranked(size, **options)
    for one, two in zip(alone, several[0][0], strict=True):
        assert two.loss == pytest.approx(one.loss, rel=1e-6)
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
        for name in ("step", "tokens", "sequences", "targets", "learning_rate"):
            assert getattr(two, name) == getattr(one, name)
    assert several[0][1].position == state.position
    assert several[0][1].progress == replace(state.progress, seconds=several[0][1].progress.seconds)
    for one, two in zip(weights(state), weights(several[0][1]), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=2e-5)
    for _, other in several[1:]:
        assert all(torch.equal(a, b) for a, b in zip(weights(several[0][1]), weights(other), strict=True))


def test_shares_are_real_and_repeat_to_the_bit(make, ranked) -> None:
    first, again = ranked(2), ranked(2)
    assert [r.loss for r in first[0][0]] == [r.loss for r in again[0][0]]
    assert all(torch.equal(a, b) for a, b in zip(weights(first[0][1]), weights(again[0][1]), strict=True))
    alone, _ = trained(*make(dropout=0.0))
    assert [r.loss for r in first[0][0]] != [r.loss for r in alone]  # another order of adding


def test_dropout_falls_otherwise_on_every_rank_and_in_every_step(make, monkeypatch) -> None:
    made = [make(dropout=0.0) for _ in range(4)]
    seeds: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    list(train(*made[3]))
    assert len(set(seeds)) == 12

    def work(ranks: Ranks) -> Any:
        training, state = made[ranks.rank]
        return trained(replace(training, ranks=ranks), state)

    together(3, work)
    assert len(seeds) == 4 * 12 and len(set(seeds[12:])) == 3 * 12


class Broken(SequenceClassification):
    """On one rank something goes wrong in the third step."""

    calls = 0
    wrong: Callable[[Any], Any] | None = None

    def loss(self, model: Any, batch: Any) -> Any:
        loss = super().loss(model, batch)
        self.calls += 1
        return self.wrong(loss) if self.wrong and self.calls == 3 else loss


def broken(make: Any, examples: Any, ranks: Ranks, rank: int, wrong: Callable[[Any], Any]) -> Any:
    training, state = make(dropout=0.0, ranks=ranks)
    objective = Broken(labels=examples[1], num_classes=2, multi_label=False)
    objective.wrong = wrong if ranks.rank == rank else None
    return trained(replace(training, objective=objective), state)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_number_that_breaks_on_one_rank_ends_all_in_the_same_step(make, examples, rank: int) -> None:
    wrong = lambda loss: replace(loss, sum=loss.sum * float("nan"))  # noqa: E731
    for outcome in together(3, lambda ranks: broken(make, examples, ranks, rank, wrong)):
        assert isinstance(outcome, NonFiniteLoss)
        assert str(outcome).startswith("step 3: the loss is nan")
        assert str(outcome).count("document-") == 10 and "and 6 more" in str(outcome)  # of the whole batch


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_rank_that_raises_ends_the_others(make, examples, rank: int) -> None:
    def wrong(loss: Any) -> Any:
        raise MemoryError("no room")

    outcomes = together(3, lambda ranks: broken(make, examples, ranks, rank, wrong))
    assert [type(one) for one in outcomes] == [
        MemoryError if number == rank else LostRank for number in range(3)
    ]


def test_nothing_to_learn_from_is_said_by_all(make) -> None:
    def work(ranks: Ranks) -> Any:
        training, state = make(dropout=0.0, ranks=ranks)
        silent = type("Silent", (type(training.objective),), {"count": lambda self, batch: 0.0})
        objective = silent.__new__(silent)
        objective.__dict__.update(vars(training.objective))
        return trained(replace(training, objective=objective), state)

    outcomes = together(2, work)
    assert all(isinstance(one, UserError) for one in outcomes)
    assert str(outcomes[0]) == str(outcomes[1])
    assert "step 1: nothing to learn from in document-" in str(outcomes[0])


@pytest.mark.parametrize("what", ["weights", "step"])
def test_ranks_that_are_not_equal_are_noticed(make, what: str) -> None:
    def work(ranks: Ranks) -> Any:
        training, state = make(ranks=ranks)
        if ranks.rank == 1 and what == "weights":
            with torch.no_grad():
                next(iter(state.model.parameters())).view(-1)[7] += 1e-3
        elif ranks.rank == 1:
            state.progress = replace(state.progress, steps=1)
        return trained(training, state)

    assert all(f"at another {what} than the others" in str(one) for one in together(2, work))


def test_ranks_that_part_later_are_noticed_too(make, monkeypatch) -> None:
    monkeypatch.setattr("acclimate.engine.ranks.COMPARE_EVERY", 4)
    assert COMPARE_EVERY > 4

    def work(ranks: Ranks) -> Any:
        training, state = make(dropout=0.0, ranks=ranks)
        for record in train(training, state):
            if ranks.rank == 1 and record.step == 2:
                with torch.no_grad():
                    next(iter(state.model.parameters())).view(-1)[7] += 1e-3
        return record.step

    assert all(str(one).startswith("step 4: ") for one in together(2, work))


def test_the_clock_is_that_of_rank_0(make) -> None:
    """A length in minutes moves the learning rate by the clock, which is another one on each rank."""

    def work(ranks: Ranks) -> Any:
        training, state = make("4 steps", dropout=0.0, ranks=ranks)
        training = replace(training, schedule=lambda progress: 1.0 / (1.0 + progress.seconds))
        state.progress = replace(state.progress, seconds=10.0 * ranks.rank)
        return trained(training, state)

    first, second = together(2, work)
    assert [r.learning_rate for r in first[0]] == [r.learning_rate for r in second[0]]
    assert first[0][0].learning_rate == 2e-3
    assert all(torch.equal(a, b) for a, b in zip(weights(first[1]), weights(second[1]), strict=True))


def test_a_parameter_used_on_one_rank_gets_its_gradient_on_all_and_an_unused_one_nowhere() -> None:
    class Parts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.everywhere = torch.nn.Parameter(torch.ones(3))
            self.somewhere = torch.nn.Parameter(torch.ones(100, 7))
            self.nowhere = torch.nn.Parameter(torch.ones(5))
            self.frozen = torch.nn.Parameter(torch.ones(5), requires_grad=False)

    def work(ranks: Ranks) -> Any:
        parts = Parts()
        for _ in range(2):
            parts.zero_grad()
            loss = parts.everywhere.sum() * (ranks.rank + 1)
            if ranks.rank == 1:
                loss = loss + (parts.somewhere * 4).sum()
            loss.backward()
            summed, figures = ranks.sum_gradients(
                parts, float(loss.detach()), {"extra": 1.5, "more": float(ranks.rank)}
            )
        return parts, summed, figures

    for parts, summed, figures in together(2, work):
        assert torch.equal(parts.everywhere.grad, torch.full((3,), 3.0))
        assert torch.equal(parts.somewhere.grad, torch.full((100, 7), 4.0))
        assert parts.nowhere.grad is None and parts.frozen.grad is None
        assert summed == 3 + 6 + 2800
        assert figures == {"extra": 3.0, "more": 1.0}


def test_sums_longer_than_a_piece_are_whole_and_equal() -> None:
    size = 3 * (1 << 17) + 5

    def work(ranks: Any) -> torch.Tensor:
        exchange = ranks._exchange
        row = exchange.row(size, torch.device("cpu"))
        row.copy_(torch.randn(size, generator=torch.Generator().manual_seed(ranks.rank)))
        exchange.wait()
        exchange.sum_row()
        return row.clone()

    expected = sum(torch.randn(size, generator=torch.Generator().manual_seed(rank)) for rank in range(3))
    rows = together(3, work)
    assert all(torch.equal(rows[0], row) for row in rows)
    torch.testing.assert_close(rows[0], expected)
