"""Running a study: each trial an ordinary run in a process of its own, the table made anew after each.

<output>/<name>-study/    runs.jsonl  study.json  report.html  recipes/<variant>-<seed>.yaml

A finished trial is a line in runs.jsonl and is never run again; a study that was stopped goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from acclimate.artifacts import durable
from acclimate.artifacts.line_log import LineLog, read_lines
from acclimate.engine.interrupt import stop_on_signals
from acclimate.errors import UserError
from acclimate.recipe.units import Length, Progress
from acclimate.report.study_page import study_page
from acclimate.search.compare import measures, table
from acclimate.search.side_by_side import Ended, side_by_side
from acclimate.search.variants import BASE, Trial, trials

RUNS, FOUND, PAGE = "runs.jsonl", "study.json", "report.html"
_COSTS = Path(".store", "costs.json")
_TRAINING = ("pretrain", "tapt-", "task-", "together-", "vocabulary")
"""What stages begin with whose time and memory a variant is charged with."""


def run_study(
    path: Path,
    overrides: Sequence[str],
    *,
    output: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Run what is missing and return the study: see `_write`. Raises UserError for what the user can mend.

    A variant whose run fails does not end the others; it is told at the end. Asked to stop, it stops the runs at work,
    which save what they have.
    """
    loaded, planned = trials(path, overrides)
    study = loaded.recipe.study
    assert study is not None
    folder = durable.new_folder(output / f"{loaded.recipe.name}-study")
    durable.new_folder(folder / "recipes")
    variants = [BASE, *study.variants]
    known = {trial.digest for trial in planned}
    failed: list[UserError] = []
    at_work = 0
    with LineLog(folder / RUNS) as log:
        done = {line["digest"]: line for line in read_lines(folder / RUNS)}
        spent = sum(line["elapsed"] for line in done.values() if line["digest"] in known)
        missing = [trial for trial in planned if trial.digest not in done]

        def affordable() -> Iterator[Trial]:
            nonlocal at_work
            for number, trial in enumerate(missing, 1):
                if (
                    study.budget is not None
                    and done
                    and _too_long(study.budget, spent, at_work, trial, done.values())
                ):
                    left = len(missing) - number + 1
                    tell(f"the budget of {study.budget} allows no more runs; {left} are left out")
                    return
                tell(f"run {number} of {len(missing)}: {trial.variant}, seed {trial.seed}")
                at_work += 1
                yield trial

        with (
            stop_on_signals(),
            closing(side_by_side(affordable(), folder, output, study.at_once)) as running,
        ):
            for ended in running:
                at_work -= 1
                if isinstance(ended, UserError):
                    failed.append(ended)
                    tell(str(ended))
                    continue
                line = _line(ended, output)
                log.append(line)
                log.sync()
                done[ended.trial.digest] = line
                spent += ended.elapsed
                _write(folder, output, loaded.recipe.name, planned, done, variants)
    found = _write(folder, output, loaded.recipe.name, planned, done, variants)
    if failed:
        more = f" ({len(failed)} runs failed; the others are done)" if len(failed) > 1 else ""
        raise UserError(f"{failed[0]}{more}")
    return found


def _too_long(
    budget: Length, spent: float, at_work: int, trial: Trial, lines: Iterable[Mapping[str, Any]]
) -> bool:
    """Whether a run would end after the budget, if it and those at work take as long as those of its variant, or the
    longest of all."""
    lines = list(lines)
    own = [line["elapsed"] for line in lines if line["variant"] == trial.variant]
    expected = max(own or [line["elapsed"] for line in lines])
    return budget.reached(Progress(seconds=spent + (at_work + 1) * expected))


def _line(ended: Ended, output: Path) -> dict[str, Any]:
    """What runs.jsonl says of a run. What its trainings cost is kept beside the store, by the artifact's name: another
    run that shares one is charged the same."""
    run, stages = Path(ended.metrics["run"]), ended.metrics["stages"]
    trainings = {
        (run / "artifacts" / name).resolve().name: one
        for name, one in stages.items()
        if name.startswith(_TRAINING)
    }
    made = {
        artifact: {"seconds": one["seconds"], "peak_memory_bytes": one["peak_memory_bytes"]}
        for artifact, one in trainings.items()
        if not one["skipped"]
    }
    durable.write_json(output / _COSTS, _costs(output) | made)
    return {
        "digest": ended.trial.digest,
        "variant": ended.trial.variant,
        "seed": ended.trial.seed,
        "run": str(run),
        "elapsed": ended.elapsed,
        "measures": measures(ended.metrics),
        "trainings": list(trainings),
    }


def _costs(output: Path) -> dict[str, Any]:
    path = output / _COSTS
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return known


def _charged(line: Mapping[str, Any], costs: Mapping[str, Any]) -> dict[str, Any]:
    """The line with the seconds and the peak memory of the trainings that its figures rest on, whoever made them; None
    where they are not known."""
    if not costs.keys() >= set(line["trainings"]):
        # One was made by a run that did not come to its end: part of a cost would be a wrong one.
        return {**line, "seconds": None, "peak_memory_bytes": None}
    own = [costs[name] for name in line["trainings"]]
    return {
        **line,
        "seconds": sum(one["seconds"] for one in own),
        "peak_memory_bytes": max((one["peak_memory_bytes"] for one in own), default=0),
    }


def _write(
    folder: Path,
    output: Path,
    name: str,
    planned: Sequence[Trial],
    done: Mapping[str, Mapping[str, Any]],
    variants: Sequence[str],
) -> dict[str, Any]:
    """The study as it stands: `rows` (see `compare.table`), the runs behind them, and those that are missing."""
    costs = _costs(output)
    lines = [_charged(done[trial.digest], costs) for trial in planned if trial.digest in done]
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
