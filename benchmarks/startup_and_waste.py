"""Start-up and waste: what a run spends beside computing.

1. Seconds from the command `acclimate run` to the first training step, where corpus, tokenizer and tokens are there
   already; how much of that is the validation that every pretraining begins with, and how much is overhead.
2. Share of the training steps that goes into taking batches and masking them.
3. Share of the wall time that goes into checkpoints with fsync, at the distance that recipes have unless they say
   otherwise; a validation there that is the best so far writes the state once more, and is counted.

A mini BERT on WikiText-2 with a recipe's own settings of batch, optimizer and checkpoints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

import harness
import text
from acclimate.artifacts import durable
from acclimate.engine.checkpoint import Checkpoints
from acclimate.engine.feed import Feed
from acclimate.engine.loop import train
from acclimate.recipe.sections import Pretrain
from harness import Race, shown, spread, table
from machine import Clock
from mlm import prepared
from session import Session

NAME = "startup_and_waste"
STEPS, SHORT_STEPS = 10, 2
"""Steps a round."""
RECIPE = """\
name: startup
seed: 1
corpus: {sources: [{path: "%s", documents: line}]}
tokenizer: {train: {algorithm: wordpiece, vocab_size: 30522, lowercase: true, least: 0%%}}
model: {family: bert, size: mini}
pretrain: {length: 1 steps}
hardware: {threads: %d}
"""


class Stopwatch:
    """The seconds that functions take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **others: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **others)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def candidate(specification: dict[str, Any], session: Session) -> None:
    """As in mlm.py, with `folder` for checkpoints. {"steps": n}: n steps and a checkpoint; where time went."""
    training, state = prepared(specification)
    store = training.feed.store
    feed = Feed(store, batch=Pretrain().batch, seed=training.seed)
    data = Stopwatch()
    feed.take = data.around(feed.take)  # type: ignore[method-assign]
    training.objective.prepare = data.around(training.objective.prepare)  # type: ignore[method-assign]
    object.__setattr__(training, "feed", feed)
    checkpoints = Checkpoints(Path(specification["folder"]))
    loop = train(training, state)
    next(loop)
    session.answer(ready=True)
    while True:
        steps = session.command()["steps"]
        data.seconds, began = 0.0, Clock.now()
        step_seconds = sum(next(loop).seconds for _ in range(steps))
        figures = Clock.now().since(began)
        saving = time.perf_counter()
        checkpoints.save(state)
        session.answer(
            **figures,
            steps=steps,
            step_seconds=step_seconds,
            data_seconds=data.seconds,
            checkpoint_seconds=time.perf_counter() - saving,
            processes=len(psutil.Process().children(recursive=True)),
        )


def waste(options: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(findings, answers) on data and checkpoints."""
    durable.new_folder(options.scratch)
    with durable.scratch_folder(options.scratch) as folder, Race(options.threads) as race:
        race.add(
            "engine",
            NAME,
            folder=str(folder / "checkpoints"),
            side="engine",
            precision="bf16",
            size="mini",
            batch=32,
            seed=17,
            peak=1e-3,
            warmup=20,
            device="cpu",
            tokenizer=str(text.tokenizer_folder(options.data, options.scratch)),
            store=str(text.store_folder(options.data, options.scratch, "train")),
        )
        answers = race.run(options.rounds, steps=SHORT_STEPS if options.short else STEPS)["engine"]
    distance = Pretrain().checkpoint.every
    assert distance.unit == "steps"
    return {
        "data_share": spread([answer["data_seconds"] / answer["step_seconds"] for answer in answers]),
        "step_seconds": spread([answer["step_seconds"] / answer["steps"] for answer in answers]),
        "checkpoint_seconds": spread([answer["checkpoint_seconds"] for answer in answers]),
        "checkpoint_share": spread([checkpoint_share(answer, distance.amount) for answer in answers]),
        "checkpoint_distance": str(distance),
        "loader_processes": max(answer["processes"] for answer in answers),
    }, answers


def checkpoint_share(answer: dict[str, Any], distance: float) -> float:
    """Of the wall time, with two states written (the last and the best) every so many steps."""
    written = 2 * answer["checkpoint_seconds"]
    return written / (written + distance * answer["seconds"] / answer["steps"])


def startup(options: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(findings, answers) on the time before the first step."""
    durable.new_folder(options.scratch)
    with durable.scratch_folder(options.scratch) as folder:
        recipe = folder / "recipe.yaml"
        durable.write_text(recipe, RECIPE % (options.data / text.LINES["train"], options.threads))
        harness.tell("  preparing the corpus")
        started(recipe, folder / "runs", 1)
        answers = []
        for number in range(options.rounds):
            answers.append(started(recipe, folder / "runs", 2 + number))
            harness.tell(f"  run {number + 1} of {options.rounds}")
    keys = ("before_pretraining", "before_first_step", "a_validation", "overhead")
    return {key: spread([answer[key] for answer in answers]) for key in keys}, answers


def started(recipe: Path, output: Path, seed: int) -> dict[str, Any]:
    """Run the recipe with a seed that no run had before; when what happened, in seconds after the command."""
    began = time.time()
    command = (
        sys.executable,
        "-m",
        "acclimate",
        "run",
        str(recipe),
        "-o",
        str(output),
        "-s",
        f"seed={seed}",
        "--json",
    )
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise harness.Failed(f"acclimate run ended with {done.returncode}:\n{done.stderr[-3000:]}")
    run = output.parent / json.loads(done.stdout)["run"]
    return milestones(durable.read_lines(run / "events.jsonl"), began)


def milestones(events: Any, began: float) -> dict[str, float]:
    """From a run's events, in seconds after `began` (of the epoch)."""
    of_pretraining = [event for event in events if event["stage"] == "pretrain"]

    def when(kind: str) -> tuple[float, dict[str, Any]]:
        event = next(event for event in of_pretraining if event["kind"] == kind)
        return datetime.fromisoformat(event["time"]).timestamp() - began, event

    stage, _ = when("stage_start")
    stepped, step = when("step")
    validated, _ = when("validation")
    return {
        "before_pretraining": stage,
        "before_first_step": stepped - step["seconds"],
        "a_validation": validated - stepped,
        "overhead": stepped - step["seconds"] - (validated - stepped),
    }


def main() -> None:
    options = harness.arguments(__doc__).parse_args()
    started_after, runs = startup(options)
    wasted, answers = waste(options)
    rows = [
        ["from command to pretraining, seconds", shown(started_after["before_pretraining"])],
        ["from command to first step, seconds", shown(started_after["before_first_step"])],
        ["  of which a validation", shown(started_after["a_validation"])],
        ["  of which overhead", shown(started_after["overhead"])],
        ["data preparation, % of step time", shown(_per_cent(wasted["data_share"]), 3)],
        ["a step, seconds", shown(wasted["step_seconds"], 3)],
        ["a checkpoint, seconds", shown(wasted["checkpoint_seconds"], 3)],
        [
            f"checkpoints every {wasted['checkpoint_distance']}, % of time",
            shown(_per_cent(wasted["checkpoint_share"]), 3),
        ],
        ["loader processes", str(wasted["loader_processes"])],
    ]
    print("mini BERT, WikiText-2\n" + table(["", "median (low–high)"], rows))
    harness.finish(
        NAME, options, {"startup": started_after, "waste": wasted}, {"runs": runs, "engine": answers}
    )


def _per_cent(share: dict[str, float]) -> dict[str, float]:
    return {key: 100 * value for key, value in share.items()}


if __name__ == "__main__":
    main()
