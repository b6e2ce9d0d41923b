"""The run's log of events: a line each, with time, stage and kind, told to listeners as it is written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from acclimate.artifacts.durable import LineLog

Event = dict[str, Any]


class EventLog:
    """Appends events to a file of JSON lines; a line that a killed process tore is cut off on opening.

    Times are UTC with milliseconds, `2026-11-21T03:43:00.123Z`. May be used from several threads.
    """

    def __init__(self, path: Path) -> None:
        self._lines = LineLog(path)
        self._listeners: list[Callable[[Event], None]] = []
        # Reentrant, for a signal's handler may report while the same thread is reporting.
        self._lock = threading.RLock()

    def listen(self, listener: Callable[[Event], None]) -> None:
        """The listener is handed every event from now on, after it is written."""
        self._listeners.append(listener)

    def emit(self, stage: str, kind: str, **fields: Any) -> Event:
        """Writes one event; returns it. `fields` are JSON values; time, stage and kind are taken."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"time": time, "stage": stage, "kind": kind, **fields}
        with self._lock:
            self._lines.append(event)
        for listener in self._listeners:
            listener(event)
        return event

    def forget(self, stage: str, kind: str, after_step: int) -> int:
        """Drops events of a stage and kind whose `step` is later: they will happen again. Returns how many.

        Called when a stage resumes from the checkpoint of `after_step`, so that the log tells every step once.
        """

        def stays(event: Event) -> bool:
            is_asked = event.get("stage") == stage and event.get("kind") == kind
            return not (is_asked and event.get("step", after_step) > after_step)

        with self._lock:
            return self._lines.keep(stays)

    def close(self) -> None:
        self._lines.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
