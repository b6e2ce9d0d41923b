"""How rooms tell how far they are: one plain callback, so that nobody below knows of bars, logs or terminals."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[float, float | None, str], None]
"""tell(done, total or None when unknown, unit): called now and then from a loop."""


def silent(done: float, total: float | None, unit: str) -> None:
    """Tells nobody."""
