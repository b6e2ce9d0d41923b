"""Running a study: each trial an ordinary run in a process of its own, the table made anew after each.

<output>/<name>-study/    runs.jsonl  study.json  report.html  recipes/<variant>-<seed>.yaml

A finished trial is a line in runs.jsonl and is never run again; a study that was stopped goes on from there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.artifacts import durable
from acclimate.artifacts.line_log import LineLog, read_lines
from acclimate.errors import UserError
from acclimate.recipe.resolving import dump_yaml, resolved
from acclimate.recipe.units import Length, Progress
from acclimate.report.study_page import study_page
from acclimate.search.compare import measures, table
from acclimate.search.variants import BASE, Trial, trials

RUNS, FOUND, PAGE = "runs.jsonl", "study.json", "report.html"
_TRAINING = ("pretrain", "task-", "vocabulary")
"""What stages begin with whose time and memory a variant is charged with."""


def run_study(
    path: Path,
    overrides: Sequence[str],
    *,
    output: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Run what is missing and return the study: see `_study`. Raises UserError for what the user can mend."""
    loaded, planned = trials(path, overrides)
    study = loaded.recipe.study
    assert study is not None
    folder = durable.new_folder(output / f"{loaded.recipe.name}-study")
    durable.new_folder(folder / "recipes")
    variants = [BASE, *study.variants]
    known = {trial.digest for trial in planned}
    with LineLog(folder / RUNS) as log:
        done = {line["digest"]: line for line in read_lines(folder / RUNS)}
        spent = sum(line["elapsed"] for line in done.values() if line["digest"] in known)
        missing = [trial for trial in planned if trial.digest not in done]
        for number, trial in enumerate(missing, 1):
            if study.budget is not None and done and _too_long(study.budget, spent, trial, done.values()):
                tell(
                    f"the budget of {study.budget} allows no more runs; {len(missing) - number + 1} are left out"
                )
                break
            tell(f"run {number} of {len(missing)}: {trial.variant}, seed {trial.seed}")
            line = _run(trial, folder, output)
            log.append(line)
            log.sync()
            done[trial.digest] = line
            spent += line["elapsed"]
            _write(folder, loaded.recipe.name, planned, done, variants)
    return _write(folder, loaded.recipe.name, planned, done, variants)


def _too_long(budget: Length, spent: float, trial: Trial, lines: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a run would end after the budget, if it takes as long as those of its variant, or the longest of all."""
    lines = list(lines)
    own = [line["elapsed"] for line in lines if line["variant"] == trial.variant]
    expected = max(own or [line["elapsed"] for line in lines])
    return budget.reached(Progress(seconds=spent + expected))


def _run(trial: Trial, folder: Path, output: Path) -> dict[str, Any]:
    recipe = trial.loaded.recipe
    written = folder / "recipes" / f"{recipe.name}-{trial.seed}.yaml"
    durable.write_text(written, dump_yaml(resolved(recipe)))
    command = [sys.executable, "-m", "acclimate", "run", str(written), "--output", str(output), "--json"]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode in (130, 143, -2, -15):
        raise UserError("stopped; what is done is kept, and the same command goes on from there")
    if done.returncode:
        raise UserError(
            f"the run of {trial.variant} with seed {trial.seed} failed (its messages stand above); "
            f"`acclimate run {written}` repeats it. The same study command goes on from there"
        )
    metrics = json.loads(done.stdout)
    costs = _costs(Path(metrics["run"]), metrics["stages"], output)
    return {
        "digest": trial.digest,
        "variant": trial.variant,
        "seed": trial.seed,
        "run": metrics["run"],
        "elapsed": time.monotonic() - began,
        "measures": measures(metrics),
        **costs,
    }


def _costs(run: Path, stages: Mapping[str, Mapping[str, Any]], output: Path) -> dict[str, Any]:
    """Seconds and peak memory of the trainings that the run's figures rest on, whoever made them.

    An artifact's cost is kept beside the study, by the artifact's name: a later run that shares it is charged the same.
    """
    path = output / ".store" / "costs.json"
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    seconds, peak = 0.0, 0
    for name, one in stages.items():
        if not name.startswith(_TRAINING):
            continue
        artifact = (run / "artifacts" / name).resolve().name
        if not one["skipped"]:
            known[artifact] = {"seconds": one["seconds"], "peak_memory_bytes": one["peak_memory_bytes"]}
        cost = known.get(artifact, {"seconds": 0.0, "peak_memory_bytes": 0})
        seconds, peak = seconds + cost["seconds"], max(peak, cost["peak_memory_bytes"])
    durable.write_json(path, known)
    return {"seconds": seconds, "peak_memory_bytes": peak}


def _write(
    folder: Path,
    name: str,
    planned: Sequence[Trial],
    done: Mapping[str, Mapping[str, Any]],
    variants: Sequence[str],
) -> dict[str, Any]:
    """The study as it stands: `rows` (see `compare.table`), the runs behind them, and those that are missing."""
    lines = [done[trial.digest] for trial in planned if trial.digest in done]
    missing = [
        {"variant": trial.variant, "seed": trial.seed} for trial in planned if trial.digest not in done
    ]
    found = {
        "name": name,
        "folder": str(folder),
        "seeds": sorted({trial.seed for trial in planned}),
        "rows": table(lines, variants, BASE),
        "runs": lines,
        "missing": missing,
        "report": str(folder / PAGE),
    }
    durable.write_json(folder / FOUND, found)
    durable.write_text(folder / PAGE, study_page(found))
    return found
