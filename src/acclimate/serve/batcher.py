"""Puts the texts of many requests through the model together, off the event loop, with a bounded queue.

1. A request submits a job: texts for one lane (a model and what is asked of it). A full queue refuses it.
2. One worker thread takes the oldest job's lane, waits a few milliseconds for company, and fills a batch up
   to so many texts or tokens, in order of arrival. A job may be spread over several batches.
3. Each finished job wakes its request. A job past its deadline, or whose client left, is dropped unrun.

Price: one model runs at a time; two lanes take turns by the age of their oldest job.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from acclimate.serve.limits import Limits
from acclimate.serve.metrics import Metrics
from acclimate.serve.refusals import queue_full, too_late, unavailable


class Encoded(Protocol):
    """A text as a lane wants it."""

    @property
    def num_tokens(self) -> int: ...


class Lane(Protocol):
    """One model and what is asked of it. Both methods are called by the worker thread alone."""

    def encode(self, queries: Sequence[Any]) -> Sequence[Encoded]: ...
    def run(self, items: Sequence[Any]) -> Sequence[Any]: ...


@dataclass(eq=False)
class Job:
    """The texts of one request on their way through."""

    lane: Lane
    queries: Sequence[Any]
    deadline: float
    """When it is dropped, by the monotonic clock."""
    arrived: float = field(default_factory=time.monotonic)
    future: Future[list[Any]] = field(default_factory=Future)
    """Holds a result for each query, in order."""
    _encoded: Sequence[Encoded] | None = None
    _results: list[Any] = field(default_factory=list)
    _taken: int = 0
    _settling: threading.Lock = field(default_factory=threading.Lock)

    @property
    def waiting(self) -> int:
        """Texts not yet taken into a batch."""
        return len(self.queries) - self._taken

    def fail(self, error: BaseException) -> None:
        """End the job with an error, unless it has ended already."""
        with self._settling:
            if not self.future.done() and self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)

    def extend(self, results: Sequence[Any]) -> None:
        """Add results of a batch; the last ones end the job."""
        self._results.extend(results)
        with self._settling:
            whole = len(self._results) == len(self.queries)
            if whole and not self.future.done() and self.future.set_running_or_notify_cancel():
                self.future.set_result(self._results)

    def encoded(self) -> Sequence[Encoded]:
        if self._encoded is None:
            self._encoded = self.lane.encode(self.queries)
        return self._encoded


class Batcher:
    """The queue and its worker thread."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._closing = False
        self._texts_per_second = 0.0
        self._thread = threading.Thread(target=self._work, name="acclimate-batcher", daemon=True)
        metrics.watch_queue(lambda: self.depth)

    @property
    def depth(self) -> int:
        """Texts that wait."""
        with self._changed:
            return sum(job.waiting for job in self._jobs)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> Job:
        """Queue a job. Raises Refusal 429 when it does not fit, 503 when the server is stopping."""
        with self._changed:
            if self._closing:
                raise unavailable("stopping", "the server is stopping")
            self._forget_expired()
            depth = sum(job.waiting for job in self._jobs)
            if depth + len(job.queries) > self._limits.max_queue:
                raise queue_full(depth, self._limits.max_queue, self._seconds_until_room(depth))
            self._jobs.append(job)
            self._changed.notify()
        return job

    def drop(self, job: Job, reason: str) -> None:
        """Take a job out of the queue, wherever it stands; what runs already runs on unseen."""
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self._metrics.dropped.labels(reason).inc(job.waiting)
        job.future.cancel()

    def close(self, timeout: float) -> None:
        """Take no more jobs, finish the queued ones, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        with self._changed:
            left, self._jobs = self._jobs, []
        for job in left:
            job.fail(unavailable("stopping", "the server is stopping"))

    def _seconds_until_room(self, depth: int) -> int:
        speed = self._texts_per_second or float(self._limits.max_batch_texts)
        return max(1, min(math.ceil(depth / speed), math.ceil(self._limits.deadline_seconds)))

    def _forget_expired(self) -> None:
        # Called with the lock held.
        now = time.monotonic()
        for job in [job for job in self._jobs if job.deadline <= now or job.future.cancelled()]:
            self._jobs.remove(job)
            self._metrics.dropped.labels("deadline").inc(job.waiting)
            job.fail(too_late(self._limits.deadline_seconds))

    def _work(self) -> None:
        while (jobs := self._collect()) is not None:
            batch = self._fill(jobs)
            if batch:
                self._run(batch)

    def _collect(self) -> list[Job] | None:
        """Jobs of one lane, oldest first, that may go into the next batch; None when all is done."""
        with self._changed:
            while True:
                self._forget_expired()
                if not self._jobs:
                    if self._closing:
                        return None
                    self._changed.wait()
                    continue
                oldest = self._jobs[0]
                jobs = [job for job in self._jobs if job.lane is oldest.lane]
                left = oldest.arrived + self._limits.wait_milliseconds / 1000 - time.monotonic()
                full = sum(job.waiting for job in jobs) >= self._limits.max_batch_texts
                if left <= 0 or full or self._closing:
                    return jobs
                self._changed.wait(left)

    def _fill(self, jobs: list[Job]) -> list[tuple[Job, Sequence[Encoded]]]:
        """Take texts off the queue, in order, until the batch is full."""
        batch: list[tuple[Job, Sequence[Encoded]]] = []
        texts = tokens = 0
        for job in jobs:
            try:
                encoded = job.encoded()
            except Exception as error:  # a text that cannot be encoded ends its own request only
                self._finish([job], error)
                continue
            taken = []
            for item in encoded[job._taken :]:
                over = texts and tokens + item.num_tokens > self._limits.max_batch_tokens
                if over or texts >= self._limits.max_batch_texts:
                    break
                taken.append(item)
                texts, tokens = texts + 1, tokens + item.num_tokens
            with self._changed:
                if job not in self._jobs:  # dropped since
                    texts, tokens = texts - len(taken), tokens - sum(item.num_tokens for item in taken)
                    continue
                job._taken += len(taken)
                if not job.waiting:
                    self._jobs.remove(job)
            if taken:
                batch.append((job, taken))
            if job.waiting:
                break
        return batch

    def _run(self, batch: list[tuple[Job, Sequence[Encoded]]]) -> None:
        items = [item for _, taken in batch for item in taken]
        start = time.perf_counter()
        try:
            results = batch[0][0].lane.run(items)
        except Exception as error:  # reaches every request of the batch; the worker lives on
            self._finish([job for job, _ in batch], error)
            return
        seconds = time.perf_counter() - start
        first = 0
        for job, taken in batch:
            job.extend(results[first : first + len(taken)])
            first += len(taken)
        self._metrics.batch(len(items), sum(item.num_tokens for item in items), seconds)
        speed = len(items) / max(seconds, 1e-6)
        self._texts_per_second = (
            speed if not self._texts_per_second else 0.8 * self._texts_per_second + 0.2 * speed
        )

    def _finish(self, jobs: list[Job], error: BaseException) -> None:
        with self._changed:
            for job in jobs:
                if job in self._jobs:
                    self._jobs.remove(job)
        for job in jobs:
            job.fail(error)
