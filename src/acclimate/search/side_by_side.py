"""Trials of a study as processes of their own, some at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.artifacts import durable
from acclimate.errors import UserError
from acclimate.recipe.resolving import dump_yaml, resolved
from acclimate.search.variants import BASE, Trial

_WORDS = "stopped; what is done is kept, and the same command goes on from there"
_STOPPED = (130, 143, -2, -15)


@dataclass(frozen=True)
class Ended:
    """A run that came to its end."""

    trial: Trial
    elapsed: float
    """Seconds, from the start of its process to its end."""
    metrics: dict[str, Any]
    """What `acclimate run --json` said."""


def side_by_side(
    trials: Iterator[Trial], folder: Path, output: Path, at_once: int
) -> Generator[Ended | UserError, None, None]:
    """Run each, so many at a time, and yield as they end; the next trial is asked for when there is room for it.

    A variant that fails is yielded as the error. Raises UserError when the base fails, with which nothing could be
    compared, or when a run was stopped. However it ends, or is closed, no process is left behind.
    """
    processes: set[subprocess.Popen[str]] = set()
    lock = threading.Lock()
    closing = threading.Event()

    def run(trial: Trial) -> Ended:
        command, written = _command(trial, folder, output)
        began = time.monotonic()
        with lock:
            if closing.is_set():
                raise _Stopped(_WORDS)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            processes.add(process)
        out, _ = process.communicate()
        with lock:
            processes.discard(process)
        if process.returncode in _STOPPED:
            raise _Stopped(_WORDS)
        if process.returncode:
            raise UserError(
                f"the run of {trial.variant} with seed {trial.seed} failed (its messages stand above); "
                f"`acclimate run {written}` repeats it. The same study command goes on from there"
            )
        return Ended(trial, time.monotonic() - began, json.loads(out))

    with ThreadPoolExecutor(at_once) as pool:
        running: dict[Future[Ended], Trial] = {}
        try:
            while True:
                while len(running) < at_once and (trial := next(trials, None)) is not None:
                    running[pool.submit(run, trial)] = trial
                if not running:
                    return
                for one in wait(running, return_when=FIRST_COMPLETED).done:
                    trial = running.pop(one)
                    error = one.exception()
                    if error is None:
                        yield one.result()
                    elif (
                        isinstance(error, UserError)
                        and trial.variant != BASE
                        and not isinstance(error, _Stopped)
                    ):
                        yield error
                    else:
                        raise error
        finally:
            with lock:
                closing.set()
                for process in processes:
                    process.terminate()


class _Stopped(UserError):
    pass


def _command(trial: Trial, folder: Path, output: Path) -> tuple[list[str], Path]:
    recipe = trial.loaded.recipe
    written = folder / "recipes" / f"{recipe.name}-{trial.seed}.yaml"
    durable.write_text(written, dump_yaml(resolved(recipe)))
    words = ["run", str(written), "--output", str(output), "--json"]
    return [sys.executable, "-m", "acclimate", *words], written
