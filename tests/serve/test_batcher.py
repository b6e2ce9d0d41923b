"""The queue under a lane that is a plain function: order, bounds, deadlines and the end are exact here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from acclimate.serve.batcher import Batcher, Job
from acclimate.serve.limits import Limits
from acclimate.serve.metrics import Metrics
from acclimate.serve.refusals import Refusal


@dataclass(frozen=True)
class Word:
    text: str

    @property
    def num_tokens(self) -> int:
        return len(self.text)


@dataclass(eq=False)
class Upper:
    """A lane that answers in capitals, and can be held at its gate."""

    gate: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)

    def encode(self, queries: Sequence[str]) -> list[Word]:
        if "bad" in queries:
            raise ValueError("cannot encode")
        return [Word(text) for text in queries]

    def run(self, items: Sequence[Word]) -> list[str]:
        self.batches.append([item.text for item in items])
        self.started.set()
        assert self.gate.wait(10)
        if any(item.text == "boom" for item in items):
            raise RuntimeError("boom")
        return [item.text.upper() for item in items]


@pytest.fixture
def lane() -> Upper:
    lane = Upper()
    lane.gate.set()
    return lane


@pytest.fixture
def made() -> Iterator[Any]:
    batchers: list[Batcher] = []

    def make(**limits: Any) -> Batcher:
        settings = {"max_texts": 1, "wait_milliseconds": 0, **limits}
        batchers.append(Batcher(Limits(**settings), Metrics()))
        batchers[-1].start()
        return batchers[-1]

    yield make
    for batcher in batchers:
        batcher.close(5)


def job(lane: Upper, *texts: str, seconds: float = 10) -> Job:
    return Job(lane, texts, time.monotonic() + seconds)


def busy(batcher: Batcher, lane: Upper) -> Job:
    """Hold the worker inside a forward pass."""
    lane.gate.clear()
    lane.started.clear()
    first = batcher.submit(job(lane, "first"))
    assert lane.started.wait(5)
    return first


def test_results_keep_the_order_of_their_texts(made: Any, lane: Upper) -> None:
    batcher = made(max_batch_texts=3, max_queue=1000)
    jobs = [batcher.submit(job(lane, *(f"{n}-{i}" for i in range(n)))) for n in range(1, 12)]
    for n, one in enumerate(jobs, start=1):
        assert one.future.result(5) == [f"{n}-{i}" for i in range(n)]
    assert all(len(batch) <= 3 for batch in lane.batches)


def test_waiting_jobs_share_a_pass_and_long_ones_are_spread(made: Any, lane: Upper) -> None:
    batcher = made(max_batch_texts=4)
    first = busy(batcher, lane)
    jobs = [batcher.submit(job(lane, *texts)) for texts in (["a", "b"], ["c"], ["d", "e", "f", "g"])]
    lane.gate.set()
    assert [one.future.result(5) for one in (first, *jobs)] == [
        ["FIRST"],
        ["A", "B"],
        ["C"],
        ["D", "E", "F", "G"],
    ]
    assert lane.batches == [["first"], ["a", "b", "c", "d"], ["e", "f", "g"]]


def test_a_batch_holds_no_more_tokens_than_allowed_but_at_least_one_text(made: Any, lane: Upper) -> None:
    batcher = made(max_batch_tokens=10)
    first = busy(batcher, lane)
    jobs = [
        batcher.submit(job(lane, *texts)) for texts in (["aaaa", "bbbb"], ["cc", "dd"], ["e" * 50], ["f"])
    ]
    lane.gate.set()
    for one in (first, *jobs):
        one.future.result(5)
    assert lane.batches[1:] == [["aaaa", "bbbb", "cc"], ["dd"], ["e" * 50], ["f"]]


def test_texts_that_come_together_are_waited_for(made: Any, lane: Upper) -> None:
    batcher = made(wait_milliseconds=300)
    jobs = []
    for text in "abc":
        jobs.append(batcher.submit(job(lane, text)))
        time.sleep(0.01)
    for one in jobs:
        one.future.result(5)
    assert lane.batches == [["a", "b", "c"]]


def test_a_full_batch_does_not_wait(made: Any, lane: Upper) -> None:
    batcher = made(wait_milliseconds=10_000, max_batch_texts=2)
    assert batcher.submit(job(lane, "a", "b")).future.result(2) == ["A", "B"]


def test_lanes_do_not_mix_and_the_oldest_goes_first(made: Any, lane: Upper) -> None:
    batcher = made()
    first = busy(batcher, lane)
    other = Upper(gate=lane.gate)
    jobs = [batcher.submit(one) for one in (job(other, "x"), job(lane, "a"), job(other, "y"))]
    lane.gate.set()
    for one in (first, *jobs):
        one.future.result(5)
    assert (lane.batches, other.batches) == ([["first"], ["a"]], [["x", "y"]])


def test_a_full_queue_refuses_with_the_time_to_wait(made: Any, lane: Upper) -> None:
    batcher = made(max_queue=3)
    busy(batcher, lane)
    batcher.submit(job(lane, "a", "b"))
    with pytest.raises(Refusal) as caught:
        batcher.submit(job(lane, "c", "d"))
    assert caught.value.status == 429
    assert int(caught.value.headers["Retry-After"]) >= 1
    batcher.submit(job(lane, "c"))
    assert batcher.depth == 3
    lane.gate.set()


def test_an_expired_job_is_dropped_before_it_runs_and_frees_its_place(made: Any, lane: Upper) -> None:
    batcher = made(max_queue=2)
    busy(batcher, lane)
    late = batcher.submit(job(lane, "late", "too", seconds=0.05))
    time.sleep(0.1)
    fresh = batcher.submit(job(lane, "fresh"))
    with pytest.raises(Refusal) as caught:
        late.future.result(1)
    assert caught.value.status == 504
    lane.gate.set()
    assert fresh.future.result(5) == ["FRESH"]
    assert lane.batches == [["first"], ["fresh"]]


def test_a_dropped_job_never_runs(made: Any, lane: Upper) -> None:
    batcher = made()
    busy(batcher, lane)
    gone = batcher.submit(job(lane, "gone"))
    batcher.drop(gone, "client_left")
    assert batcher.depth == 0
    lane.gate.set()
    assert batcher.submit(job(lane, "next")).future.result(5) == ["NEXT"]
    assert gone.future.cancelled()
    assert ["gone"] not in lane.batches


def test_a_text_that_cannot_be_encoded_ends_its_own_request_only(made: Any, lane: Upper) -> None:
    batcher = made()
    busy(batcher, lane)
    bad, good = batcher.submit(job(lane, "bad")), batcher.submit(job(lane, "good"))
    lane.gate.set()
    with pytest.raises(ValueError, match="cannot encode"):
        bad.future.result(5)
    assert good.future.result(5) == ["GOOD"]


def test_a_failing_pass_reaches_its_requests_and_the_worker_lives_on(made: Any, lane: Upper) -> None:
    batcher = made()
    with pytest.raises(RuntimeError, match="boom"):
        batcher.submit(job(lane, "boom")).future.result(5)
    assert batcher.submit(job(lane, "on")).future.result(5) == ["ON"]


def test_closing_finishes_what_is_queued_and_takes_no_more(made: Any, lane: Upper) -> None:
    batcher = made(wait_milliseconds=10_000)
    jobs = [batcher.submit(job(lane, text)) for text in "abc"]
    batcher.close(5)
    assert [one.future.result(0) for one in jobs] == [["A"], ["B"], ["C"]]
    with pytest.raises(Refusal) as caught:
        batcher.submit(job(lane, "d"))
    assert caught.value.status == 503


def test_closing_does_not_wait_for_ever(made: Any, lane: Upper) -> None:
    batcher = made()
    busy(batcher, lane)
    stuck = batcher.submit(job(lane, "stuck"))
    batcher.close(0.1)
    with pytest.raises(Refusal) as caught:
        stuck.future.result(1)
    assert caught.value.status == 503
    lane.gate.set()


def test_many_threads_get_each_their_own_answers(made: Any, lane: Upper) -> None:
    batcher = made(max_queue=100_000, max_batch_texts=16, wait_milliseconds=1)
    wrong: list[Any] = []

    def ask(thread: int) -> None:
        for n in range(50):
            texts = [f"{thread}-{n}-{i}" for i in range(n % 5 + 1)]
            result = batcher.submit(job(lane, *texts)).future.result(10)
            if result != texts:
                wrong.append((texts, result))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(map(len, lane.batches)) == 8 * sum(n % 5 + 1 for n in range(50))
