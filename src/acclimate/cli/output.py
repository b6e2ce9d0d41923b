"""What goes to standard output: one JSON object for programs, or text for people; never both."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from acclimate.recipe.wording import found


def put(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def put_json(value: Any) -> None:
    """The one JSON object."""
    put(json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """JSON has no NaN: what has no value is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


@contextmanager
def chatter_to_stderr() -> Iterator[None]:
    """Inside, whatever anybody prints goes to standard error, libraries in other languages included."""
    sys.stdout.flush()
    stdout = sys.stdout
    try:
        saved = os.dup(1)
    except OSError:
        saved = -1
    try:
        if saved >= 0:
            os.dup2(2, 1)
        sys.stdout = sys.stderr
        yield
    finally:
        sys.stdout = stdout
        if saved >= 0:
            os.dup2(saved, 1)
            os.close(saved)


def brief(value: Any) -> str:
    """A value in a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return value
    return found(value)
