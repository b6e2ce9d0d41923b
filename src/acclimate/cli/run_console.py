"""What a run shows while it goes: bars on a terminal, a plain line now and then elsewhere. On standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PATIENCE = 10.0
"""Seconds between two plain lines of one stage."""
_FIGURES = {"loss": "loss {:.3f}", "tokens_per_second": "{} tokens/s", "memory": "{:.1f} GB"}


class RunConsole:
    """The listener of a run. A context: bars are drawn inside."""

    def __init__(self, *, console: Console | None = None, patience: float = _PATIENCE) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._patience = patience
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._live,
        )

    def __enter__(self) -> RunConsole:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage_started(self, stage: str) -> None:
        self._began[stage] = self._said[stage] = time.monotonic()
        if self._live:
            self._tasks[stage] = self._progress.add_task(stage, total=None, amount="", figures="")
        else:
            self._line(f"{stage}: started")

    def stage_skipped(self, stage: str) -> None:
        self._line(f"{stage}: up to date, skipped", "[green]✓[/] ", dim=True)

    def stage_ended(self, stage: str, seconds: float) -> None:
        if stage in self._tasks:
            self._progress.remove_task(self._tasks.pop(stage))
        self._line(f"{stage}: done in {duration(seconds)}", "[green]✓[/] ")

    def tell(self, stage: str, done: float, total: float | None, unit: str, **figures: float) -> None:
        """How far a stage is; `figures` such as loss and tokens_per_second stand beside it."""
        shown = [
            _FIGURES.get(name, name + " {:.4g}").format(_short(name, value))
            for name, value in figures.items()
        ]
        amount = f"{count(done)}/{count(total)} {unit}" if total else f"{count(done)} {unit}"
        if stage in self._tasks:
            self._progress.update(
                self._tasks[stage], completed=done, total=total, amount=amount, figures=", ".join(shown)
            )
            return
        now = time.monotonic()
        if self._live or now - self._said.get(stage, 0.0) < self._patience:
            return
        self._said[stage] = now
        left = self._left(stage, done, total, now)
        self._line(f"{stage}: " + ", ".join([amount, *shown, *([f"{left} left"] if left else [])]))

    def note(self, text: str) -> None:
        """Something that the user should know, now."""
        self._line(text, "[yellow]![/] ")

    def _left(self, stage: str, done: float, total: float | None, now: float) -> str | None:
        if not total or done <= 0 or stage not in self._began:
            return None
        return duration((now - self._began[stage]) * max(total - done, 0) / done)

    def _line(self, text: str, mark: str = "", dim: bool = False) -> None:
        from rich.markup import escape

        if not self._live:
            self._console.print(escape(text), soft_wrap=True)
        else:
            self._progress.console.print(mark + (f"[dim]{escape(text)}[/]" if dim else escape(text)))


def _short(name: str, value: float) -> Any:
    return count(value) if name == "tokens_per_second" else value


def count(number: float | None) -> str:
    """A large number in few characters: 1234 → 1,234; 20_000_000 → 20.0M."""
    if number is None:
        return "?"
    for letter, scale in (("G", 10**9), ("M", 10**6), ("k", 10**4)):
        if number >= scale:
            unit = 1000 if letter == "k" else scale
            return f"{number / unit:.1f}{letter}"
    return f"{number:,.0f}" if number == int(number) or number >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """Time as people say it: 0.4 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
