"""Ctrl-C and SIGTERM: a training finishes its step and saves; everything else stops at once and is done again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A training was asked to stop and did, with everything saved."""


class StopRequest:
    """Whether, and by which signal, we were asked to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._polite = False

    def __call__(self) -> bool:
        return self.signal is not None

    @contextmanager
    def polite(self) -> Iterator[None]:
        """Inside, the first signal only sets the request, which the caller looks at soon; the second interrupts."""
        self._polite = True
        try:
            yield
        finally:
            self._polite = False

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """The signal handler."""
        first = self.signal is None
        self.signal = number
        if not (first and self._polite):
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Route the signals to a request while inside; only the main thread can."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    old = {number: signal.signal(number, request.ask) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
