"""Running a recipe: every stage brought up to date, then the run folder with the evidence."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from acclimate.artifacts.hashing import digest_json
from acclimate.artifacts.store import Artifact, Store
from acclimate.engine.interrupt import Interrupted, stop_on_signals
from acclimate.pipeline.delivery import deliver_models
from acclimate.pipeline.events import EventLog
from acclimate.pipeline.figures import run_metrics
from acclimate.pipeline.plan import plan
from acclimate.pipeline.run_folder import RunFolder
from acclimate.pipeline.runner import Listener, Runner
from acclimate.recipe.loading import LoadedRecipe
from acclimate.recipe.resolving import dump_yaml, resolved
from acclimate.recipe.warnings import warnings_of
from acclimate.report.build import PAGE, write_report


class StoppedBySignal(Exception):
    """The run was asked to stop; all is saved, and the same command goes on from there."""

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped; everything is saved in {folder}. The same command goes on from there.")
        self.number = number


def run_recipe(loaded: LoadedRecipe, *, output: Path, listener: Listener) -> dict[str, Any]:
    """Run the recipe and return its metrics, with the run's folder under `run`.

    Raises UserError for what the user can mend, StoppedBySignal after Ctrl-C or SIGTERM.
    """
    recipe = loaded.recipe
    written = resolved(recipe)
    store = Store(output / ".store", warn=listener.note)
    stages = plan(recipe, store.digests)
    with (
        stop_on_signals() as stop,
        RunFolder.create_or_resume(output, recipe.name, digest_json(written)) as folder,
        EventLog(folder.path / "events.jsonl") as log,
    ):
        folder.write_recipe(dump_yaml(written))
        for message in warnings_of(recipe):
            log.emit("run", "warning", message=message)
            listener.note(f"warning: {message}")
        runner = Runner(stages, store=store, log=log, listener=listener, hardware=recipe.hardware, stop=stop)
        try:
            artifacts = bring_all(runner, folder)
            metrics = {
                **run_metrics(recipe, artifacts),
                "stages": runner.costs,
                "run": str(folder.path),
                "report": str(folder.path / PAGE),
                "recipe_digest": folder.digest,
            }
            deliver_models(recipe, artifacts, folder, dump_yaml(written))
            write_report(folder.path, metrics)
            # Last of all: a folder with metrics is a finished run.
            folder.write_metrics(metrics)
        except (KeyboardInterrupt, Interrupted) as error:
            log.emit("run", "stopped")
            raise StoppedBySignal(stop.signal or signal.SIGINT, folder.path) from error
        finally:
            store.digests.save()
        return metrics


def bring_all(runner: Runner, folder: RunFolder) -> dict[str, Artifact]:
    """Every stage up to date, each linked into the run folder as soon as it is."""
    artifacts = {}
    for name in runner.stages:
        artifacts[name] = runner.bring_up_to_date(name)
        folder.link_artifact(name, artifacts[name].folder)
        if runner.stop():  # a training that was asked in its very last moment has ended first
            raise Interrupted
    return artifacts
