"""Running a study: each trial an ordinary run in a process of its own, the table made anew after each.

<output>/<name>-study/    runs.jsonl  study.json  report.html  recipes/<variant>-<seed>.yaml

A finished trial is a line in runs.jsonl and is not run again while its recipe, its data and the stages' versions are
the same; a study that was stopped goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.artifacts import durable
from acclimate.artifacts.line_log import LineLog, read_lines
from acclimate.artifacts.store import Store
from acclimate.engine.interrupt import stop_on_signals
from acclimate.errors import UserError
from acclimate.recipe.study import Study
from acclimate.recipe.units import Length, Progress
from acclimate.report.study_page import study_page
from acclimate.search.compare import measures, table
from acclimate.search.side_by_side import Ended, side_by_side
from acclimate.search.variants import BASE, Trial, trials

RUNS, FOUND, PAGE = "runs.jsonl", "study.json", "report.html"
_COSTS = Path(".store", "costs.json")
_TRAINING = ("pretrain", "tapt-", "task-", "together-", "vocabulary")
"""What stages begin with whose time and memory a variant is charged with."""


@dataclass
class _Ledger:
    """Every run of the study that ended, failed ones too, in their order."""

    lines: list[dict[str, Any]]

    @property
    def done(self) -> dict[str, dict[str, Any]]:
        """The line of each trial that came to its end."""
        return {line["digest"]: line for line in self.lines if "failed" not in line}

    @property
    def failed(self) -> list[str]:
        """What is told of each trial that failed, and was not mended since."""
        return list(
            {one["digest"]: one["failed"] for one in self.lines if one["digest"] not in self.done}.values()
        )

    def too_long(self, budget: Length, at_work: int, variant: str) -> bool:
        """Whether a run would end after the budget, if it and those at work take as long as those of its variant, or
        the longest of all."""
        own = [line["elapsed"] for line in self.lines if line["variant"] == variant]
        every = [line["elapsed"] for line in self.lines]
        expected = max(own or every or [0.0])
        return budget.reached(Progress(seconds=sum(every) + (at_work + 1) * expected))


def run_study(
    path: Path,
    overrides: Sequence[str],
    *,
    output: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Run what is missing and return the study: see `_write`. Raises UserError for what the user can mend.

    A variant whose run fails does not end the others; a base whose run fails does, for nothing could be compared with
    it. Asked to stop, it stops the runs at work, which save what they have.
    """
    loaded, planned = trials(path, overrides)
    study = loaded.recipe.study
    assert study is not None
    store = Store(output / ".store", warn=tell)
    named = {trial.digest(store.digests): trial for trial in planned}
    store.digests.save()
    folder = durable.new_folder(output / f"{loaded.recipe.name}-study")
    durable.new_folder(folder / "recipes")
    with LineLog(folder / RUNS) as log:
        ledger = _Ledger([line for line in read_lines(folder / RUNS) if line["digest"] in named])

        def write() -> dict[str, Any]:
            return _write(folder, output, loaded.recipe.name, named, ledger, [BASE, *study.variants])

        digests = {(trial.variant, trial.seed): digest for digest, trial in named.items()}
        missing = [trial for digest, trial in named.items() if digest not in ledger.done]
        with stop_on_signals(), closing(_run(missing, study, ledger, folder, output, tell)) as running:
            for ended in running:
                line = {"digest": digests[ended.trial.variant, ended.trial.seed], **_line(ended, output)}
                log.append(line)
                log.sync()
                ledger.lines.append(line)
                write()
                if ended.failure is not None:
                    tell(ended.failure)
                    if ended.trial.variant == BASE:
                        raise UserError(ended.failure)
        return write()


def _run(
    missing: Sequence[Trial],
    study: Study,
    ledger: _Ledger,
    folder: Path,
    output: Path,
    tell: Callable[[str], None],
) -> Generator[Ended, None, None]:
    """How each of these ended, as far as the budget allows. `ledger` is to know of each before the next is asked."""
    at_work = 0

    def affordable() -> Iterator[Trial]:
        nonlocal at_work
        for number, trial in enumerate(missing, 1):
            if study.budget is not None and ledger.too_long(study.budget, at_work, trial.variant):
                left = len(missing) - number + 1
                tell(f"the budget of {study.budget} allows no more runs; {left} are left out")
                return
            tell(f"run {number} of {len(missing)}: {trial.variant}, seed {trial.seed}")
            at_work += 1
            yield trial

    with closing(side_by_side(affordable(), folder, output, study.at_once)) as running:
        for ended in running:
            at_work -= 1
            yield ended


def _line(ended: Ended, output: Path) -> dict[str, Any]:
    """What runs.jsonl says of a run. What its trainings cost is kept beside the store, by the artifact's name: another
    run that shares one is charged the same."""
    trial = ended.trial
    line = {"variant": trial.variant, "seed": trial.seed, "elapsed": ended.elapsed}
    if ended.failure is not None:
        return {**line, "failed": ended.failure}
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
    return {**line, "run": str(run), "measures": measures(ended.metrics), "trainings": list(trainings)}


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
    named: Mapping[str, Trial],
    ledger: _Ledger,
    variants: Sequence[str],
) -> dict[str, Any]:
    """The study as it stands: `rows` (see `compare.table`), the runs behind them, those that are missing, and what is
    told of those among them that failed."""
    costs, done = _costs(output), ledger.done
    lines = [_charged(done[digest], costs) for digest in named if digest in done]
    missing = [
        {"variant": trial.variant, "seed": trial.seed}
        for digest, trial in named.items()
        if digest not in done
    ]
    found = {
        "name": name,
        "folder": str(folder),
        "seeds": sorted({trial.seed for trial in named.values()}),
        "rows": table(lines, variants, BASE),
        "runs": lines,
        "missing": missing,
        "failed": ledger.failed,
        "report": str(folder / PAGE),
    }
    durable.write_json(folder / FOUND, found)
    durable.write_text(folder / PAGE, study_page(found))
    return found
