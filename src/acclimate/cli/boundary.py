"""Where errors end: a user's error is one message, a bug is a traceback and a log, each with its exit code."""

from __future__ import annotations

import platform
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import typer

from acclimate.errors import UserError

USER_ERROR, RECIPE_ERROR, BUG = 1, 2, 70
Verb = TypeVar("Verb", bound=Callable[..., Any])


def guarded(verb: Verb) -> Verb:
    """The verb with every exception turned into a message on standard error and an exit code."""

    @wraps(verb)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return verb(*args, **kwargs)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            say("stopped")
            raise typer.Exit(128 + signal.SIGINT) from None
        except UserError as error:
            from acclimate.recipe.problems import RecipeError

            if isinstance(error, RecipeError):
                say(str(error))
                raise typer.Exit(RECIPE_ERROR) from None
            say(f"acclimate: {error}")
            raise typer.Exit(USER_ERROR) from None
        except Exception as error:
            if type(error).__module__.startswith("typer."):  # wrong usage, which typer words itself
                raise
            if (number := _signal_of(error)) is not None:
                say(f"acclimate: {error}")
                raise typer.Exit(128 + number) from None
            say(traceback.format_exc())
            say(f"acclimate: this is a bug in Acclimate, not in what you did; {_logged()}")
            raise typer.Exit(BUG) from None

    return called  # type: ignore[return-value]


def say(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


def _signal_of(error: Exception) -> int | None:
    """The signal that a run stopped for. Only who has run something has the class, which is costly to load."""
    pipeline = sys.modules.get("acclimate.pipeline.run")
    if pipeline is not None and isinstance(error, pipeline.StoppedBySignal):
        return int(error.number)
    return None


def _logged() -> str:
    """Write what a report of the bug needs to a file, and say where."""
    from importlib import metadata

    from acclimate.artifacts import durable

    versions = []
    for package in ("acclimate", "torch", "transformers", "tokenizers", "pyarrow", "numpy", "pydantic"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} (absent)")
    path = (
        Path(tempfile.gettempdir())
        / f"acclimate-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**6}.log"
    )
    text = "\n".join(
        [
            "command: " + " ".join(sys.argv),
            f"folder: {Path.cwd()}",
            f"python {platform.python_version()} on {platform.platform()}",
            *versions,
            "",
            traceback.format_exc(),
        ]
    )
    try:
        durable.write_text(path, text)
    except (UserError, OSError) as error:
        return f"its log could not be written: {error}"
    return f"the log for a report is {path}"
