"""The server's life: loading, ready, stopping; and the way of a request through the queue."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastapi import Request

from acclimate.serve.answers import Query
from acclimate.serve.batcher import Batcher, Job, Lane
from acclimate.serve.layout import Layout
from acclimate.serve.limits import Limits
from acclimate.serve.metrics import CLIENT_LEFT, Metrics
from acclimate.serve.refusals import Refusal, too_large, too_late, unavailable

if TYPE_CHECKING:
    from acclimate.models.inference import Wanted
    from acclimate.serve.engine import Models

logger = logging.getLogger(__name__)

Status = Literal["loading", "ready", "stopping", "failed"]
_SOON = 0.05
"""Seconds after which it is watched whether the client is still there: to watch costs more than a short answer."""


class Service:
    """Holds the models, the queue and the state that `/readyz` tells."""

    def __init__(
        self, layout: Layout, limits: Limits, *, device: str | None = None, precision: Wanted = "auto"
    ) -> None:
        self.layout = layout
        self.limits = limits
        self.metrics = Metrics()
        self.status: Status = "loading"
        self.error: BaseException | None = None
        """Why loading failed."""
        self.on_change: Callable[[Service], None] = lambda service: None
        """Called from the loading thread when the service got ready or failed."""
        self._device = device
        self._precision = precision
        self._models: Models | None = None
        self._batcher = Batcher(limits, self.metrics)
        # A daemon: a load that hangs must not keep the process alive.
        self._loading = threading.Thread(target=self._load, name="acclimate-loader", daemon=True)

    def start(self) -> None:
        """Load and warm up in the background; requests get 503 until then."""
        self._loading.start()

    def _load(self) -> None:
        try:
            from acclimate.serve.engine import load

            models = load(self.layout, self._device, self._precision)
        except BaseException as error:  # told through `error`; a thread has nobody to raise to
            self.error = error
            self.status = "failed"
            self.on_change(self)
            return
        self._models = models
        self._batcher.start()
        if self.status == "loading":
            self.status = "ready"
            self.metrics.ready.set(1)
            self.on_change(self)

    def refuse_new(self) -> None:
        """From now on new requests get 503; those in the queue go on."""
        if self.status != "failed":
            self.status = "stopping"
            self.metrics.ready.set(0)

    def close(self) -> None:
        """Finish what is queued within the deadline, then end the worker."""
        self.refuse_new()
        self._loading.join(self.limits.deadline_seconds)
        self._batcher.close(self.limits.deadline_seconds)

    @property
    def models(self) -> Models:
        """The loaded models. Raises Refusal 503 while there are none to ask."""
        if self.status != "ready" or self._models is None:
            words = {"loading": "the models are being loaded", "stopping": "the server is stopping"}
            raise unavailable(self.status, words.get(self.status, "the models could not be loaded"))
        return self._models

    async def ask(self, lane: Lane, queries: Sequence[Query], request: Request) -> list[Any]:
        """Results for the queries, in order. Raises Refusal: 413, 429, 503, 504."""
        self._check_size(queries)
        deadline = time.monotonic() + self.limits.deadline_seconds
        job = self._batcher.submit(Job(lane, queries, deadline))
        answer = asyncio.wrap_future(job.future)
        left: asyncio.Future[None] | None = None
        try:
            await asyncio.wait({answer}, timeout=min(_SOON, self.limits.deadline_seconds))
            if not answer.done():
                left = asyncio.ensure_future(_client_left(request))
                either: set[asyncio.Future[Any]] = {answer, left}
                remaining = max(0.0, deadline - time.monotonic())
                await asyncio.wait(either, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if left is not None and left.done():
                self._batcher.drop(job, "client_left")
                raise Refusal(CLIENT_LEFT, "client_left", "the client left")
            self._batcher.drop(job, "deadline")
            raise too_late(self.limits.deadline_seconds)
        finally:
            if left is not None:
                left.cancel()
            if not answer.done():
                self._batcher.drop(job, "client_left")

    def _check_size(self, queries: Sequence[Query]) -> None:
        limits = self.limits
        if len(queries) > limits.max_texts:
            raise too_large(f"{len(queries)} texts in one request; at most {limits.max_texts} are taken")
        for number, query in enumerate(queries):
            size = len(query.text) + len(query.pair or "")
            if size > limits.max_characters:
                raise too_large(
                    f"text {number} has {size:,} characters; at most {limits.max_characters:,} are taken"
                )


async def _client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
