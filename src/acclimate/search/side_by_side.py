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
from acclimate.search.variants import Trial

_WORDS = "stopped; what is done is kept, and the same command goes on from there"
_STOPPED = (130, 143, -2, -15)


@dataclass(frozen=True)
class Ended:
    """A run that came to its end, or failed."""

    trial: Trial
    elapsed: float
    """Seconds, from the start of its process to its end."""
    metrics: dict[str, Any]
    """What `acclimate run --json` said; nothing where it failed."""
    failure: str | None = None
    """What is told of it then."""


def side_by_side(
    trials: Iterator[Trial], folder: Path, output: Path, at_once: int
) -> Generator[Ended, None, None]:
    """Run each, so many at a time, and yield as they end; the next trial is asked for when there is room for it.

    Raises UserError when a run was stopped. However it ends, or is closed, no process is left behind.
    """
    processes: set[subprocess.Popen[str]] = set()
    lock = threading.Lock()
    closing = threading.Event()

    def run(trial: Trial) -> Ended:
        command, written = _command(trial, folder, output)
        began = time.monotonic()
        with lock:
            if closing.is_set():
                raise UserError(_WORDS)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            processes.add(process)
        out, _ = process.communicate()
        with lock:
            processes.discard(process)
        elapsed = time.monotonic() - began
        if process.returncode in _STOPPED:
            raise UserError(_WORDS)
        if process.returncode:
            words = f"the run of {trial.variant} with seed {trial.seed} failed (its messages stand above)"
            return Ended(trial, elapsed, {}, f"{words}; `acclimate run {written}` repeats it")
        return Ended(trial, elapsed, json.loads(out))

    with ThreadPoolExecutor(at_once) as pool:
        running: set[Future[Ended]] = set()
        try:
            while True:
                while len(running) < at_once and (trial := next(trials, None)) is not None:
                    running.add(pool.submit(run, trial))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        finally:
            with lock:
                closing.set()
                for process in processes:
                    process.terminate()


def _command(trial: Trial, folder: Path, output: Path) -> tuple[list[str], Path]:
    recipe = trial.loaded.recipe
    written = folder / "recipes" / f"{recipe.name}-{trial.seed}.yaml"
    durable.write_text(written, dump_yaml(resolved(recipe)))
    words = ["run", str(written), "--output", str(output), "--json"]
    return [sys.executable, "-m", "acclimate", *words], written
