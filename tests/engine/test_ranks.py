"""Several ranks learn what one process learns, stay equal to the bit, and end together.

The ranks are forks of the test; `tests/pipeline/test_ranks.py` has them as a run starts them.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from acclimate.batching.sampler import Position
from acclimate.engine.exchange import LostRank, SharedMemory
from acclimate.engine.loop import NonFiniteLoss, StepRecord, train
from acclimate.engine.ranks import COMPARE_EVERY, Ranks, Together
from acclimate.errors import UserError
from acclimate.objectives.classify import SequenceClassification
from acclimate.recipe.units import Length, Progress


def together(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` gives on each rank: its result, or the exception it raised."""
    sockets = [socket.socketpair() for _ in range(1, size)]
    answers = [multiprocessing.Pipe(duplex=False) for _ in range(size)]
    memory = os.memfd_create("test")

    def run(rank: int) -> None:
        torch.set_num_threads(1)
        for number, (ours, theirs) in enumerate(sockets, start=1):
            (ours if rank else theirs).close()
            if rank and number != rank:
                theirs.close()
        own = [sockets[rank - 1][1]] if rank else [ours for ours, _ in sockets]
        try:
            outcome = work(Together(SharedMemory(rank, own, memory, size=size)))
        except Exception as error:
            outcome = error
        answers[rank][1].send(outcome)

    forks = [multiprocessing.get_context("fork").Process(target=run, args=(rank,)) for rank in range(size)]
    for fork in forks:
        fork.start()
    for one in (*(end for pair in sockets for end in pair), *(answer for _, answer in answers)):
        one.close()
    os.close(memory)
    try:
        assert all(receiver.poll(60) for receiver, _ in answers), "a rank waits for ever"
        return [receiver.recv() for receiver, _ in answers]
    finally:
        for fork in forks:
            fork.kill()
            fork.join()


class Trained(NamedTuple):
    """What is left of a training."""

    records: list[StepRecord]
    progress: Progress
    position: Position
    weights: list[np.ndarray]

    @property
    def losses(self) -> list[float]:
        return [record.loss for record in self.records]


def trained(training: Any, state: Any) -> Trained:
    records = list(train(training, state))
    weights = [p.detach().numpy() for p in state.model.parameters()]
    return Trained(records, state.progress, state.position, weights)


def same(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.fixture
def ranked(make) -> Callable[..., list[Trained]]:
    """ranked(size, **as for make) → what each rank is left with"""

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
    alone = trained(training, state)
    several = ranked(size, **options)
    for one, two in zip(alone.records, several[0].records, strict=True):
        assert two.loss == pytest.approx(one.loss, rel=1e-6)
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
        for name in ("step", "tokens", "sequences", "targets", "learning_rate"):
            assert getattr(two, name) == getattr(one, name)
    assert several[0].position == alone.position
    assert several[0].progress == replace(alone.progress, seconds=several[0].progress.seconds)
    for a, b in zip(alone.weights, several[0].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)
    assert all(same(several[0].weights, other.weights) for other in several[1:])


def test_shares_are_real_and_repeat_to_the_bit(make, ranked) -> None:
    first, again = ranked(2), ranked(2)
    assert first[0].losses == again[0].losses
    assert same(first[0].weights, again[0].weights)
    assert first[0].losses != trained(*make(dropout=0.0)).losses  # another order of adding


def test_dropout_falls_otherwise_on_every_rank_and_in_every_step(make, monkeypatch) -> None:
    made = make(dropout=0.0)
    seeds: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)

    def work(ranks: Ranks) -> list[int]:
        list(train(replace(made[0], ranks=ranks), made[1]))
        return seeds

    found = [*together(1, work), *together(3, work)]
    assert [len(one) for one in found] == [12] * 4
    assert len({seed for one in found[1:] for seed in one}) == 3 * 12


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
        silent = type("Silent", (type(training.objective),), {"count": lambda self, batch: (0.0,)})
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
    assert [r.learning_rate for r in first.records] == [r.learning_rate for r in second.records]
    assert first.records[0].learning_rate == 2e-3
    assert same(first.weights, second.weights)


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
        gradients = {
            name: p.grad if p.grad is None else p.grad.tolist() for name, p in parts.named_parameters()
        }
        return gradients, summed, figures

    for gradients, summed, figures in together(2, work):
        assert gradients == {
            "everywhere": [3.0] * 3,
            "somewhere": [[4.0] * 7] * 100,
            "nowhere": None,
            "frozen": None,
        }
        assert summed == 3 + 6 + 2800
        assert figures == {"extra": 3.0, "more": 1.0}


def test_sums_longer_than_a_piece_are_whole_and_equal() -> None:
    size = 3 * (1 << 17) + 5

    def work(ranks: Any) -> np.ndarray:
        exchange = ranks._exchange
        row = exchange.row(size, torch.device("cpu"))
        row.copy_(torch.randn(size, generator=torch.Generator().manual_seed(ranks.rank)))
        exchange.wait()
        exchange.sum_row()
        return row.numpy()

    expected = sum(torch.randn(size, generator=torch.Generator().manual_seed(rank)) for rank in range(3))
    rows = together(3, work)
    assert same(rows, rows[:1] * 3)
    np.testing.assert_allclose(rows[0], expected.numpy(), rtol=1e-6, atol=1e-6)
