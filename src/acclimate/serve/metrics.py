"""What the server tells Prometheus. A registry of its own: two servers in one process do not mix."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUTES = frozenset(
    {"/", "/v1/predict", "/v1/fill-mask", "/v1/embed", "/v1/models", "/livez", "/readyz", "/metrics"}
)
"""Paths that are told apart; all others count as `other`, so that clients cannot make up label values."""
CLIENT_LEFT = 499
"""Status that counts requests whose client went away; never sent."""
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384, 65536)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All counters of one server."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self.requests = Counter(
            "acclimate_requests",
            "Requests by route and status (499: the client left).",
            ["route", "status"],
            registry=own,
        )
        self.latency = Histogram(
            "acclimate_request_seconds",
            "From the request's head to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        self.queue = Gauge("acclimate_queue_texts", "Texts that wait for the model.", registry=own)
        self.ready = Gauge("acclimate_ready", "1 when the models are loaded and warm.", registry=own)
        self.batch_texts = Histogram(
            "acclimate_batch_texts", "Texts in a forward pass.", buckets=_TEXTS, registry=own
        )
        self.batch_tokens = Histogram(
            "acclimate_batch_tokens", "Tokens in a forward pass.", buckets=_TOKENS, registry=own
        )
        self.batch_seconds = Histogram(
            "acclimate_batch_seconds", "Time of a forward pass.", buckets=_SECONDS, registry=own
        )
        self.tokens = Counter("acclimate_tokens", "Tokens that went through a model.", registry=own)
        self.dropped = Counter(
            "acclimate_dropped_texts", "Texts dropped before they ran, by reason.", ["reason"], registry=own
        )

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Read the queue's depth when it is asked for."""
        self.queue.set_function(depth)

    def batch(self, num_texts: int, num_tokens: int, seconds: float) -> None:
        self.batch_texts.observe(num_texts)
        self.batch_tokens.observe(num_tokens)
        self.batch_seconds.observe(seconds)
        self.tokens.inc(num_tokens)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)


class Counted:
    """ASGI middleware that counts and times every request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in ROUTES else "other"
        status = 0
        start = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            status = status or 500
            raise
        finally:
            self._metrics.requests.labels(route, str(status or CLIENT_LEFT)).inc()
            self._metrics.latency.labels(route).observe(time.perf_counter() - start)
