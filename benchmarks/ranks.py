"""One process with all threads against several with fewer, each with its share of every step.

Mini BERT, masked language modelling, WikiText-2's lines. The candidates take turns; all take the same steps. Beside the
real thing runs `unsummed`: the same ranks, who start each step together and never add up their gradients. It learns
nothing sensible, and shows what sharing would give if sums cost nothing. Then what each part of a step takes on
rank 0, in milliseconds, one part after the other:

- `work`: data, forward, backward, clipping: with N ranks over an Nth of the tokens, on an Nth of the threads;
- `optimizer`: AdamW, over all weights on every rank, and the ranks share the memory's bandwidth;
- `begin`: waiting for the slowest rank before the step (all that comes after a sum takes each its own time);
- `fill`: the gradients' way into the shared row;
- `wait`: for the slowest rank after backward;
- `add`: the sums, and their way into every rank's row.

`losses` is the largest relative difference between the losses of the first steps, in fp32 without dropout. With
`--busy N` there are N other programs that want a core all the time: threads of one process wait for the slowest of them
at every operation, ranks once a step.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import harness
import text
from acclimate.engine.feed import Feed
from acclimate.engine.loop import StepRecord, Training, train
from acclimate.engine.ranks import Exchange, Ranks, Together
from acclimate.engine.state import TrainState
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.mlm import Mlm
from acclimate.optim.adamw import AdamW
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.schedules import Constant
from acclimate.pipeline.setup_torch import prepare, threads
from acclimate.pipeline.team import Team, join
from acclimate.recipe.sections import Hardware
from acclimate.recipe.units import Length
from acclimate.tokenizer.loading import load_tokenizer
from machine import Clock
from session import Session

WARM_UP, UNTIMED, COMPARED = 3, 1, 20
PARTS = ("work", "optimizer", "begin", "fill", "wait", "add")


class Times(Counter[str]):
    """Seconds by part."""

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self[part] += time.perf_counter() - began


class Timed:
    """An exchange under the clock; `unsummed`: rows are left as they are."""

    def __init__(self, exchange: Exchange, times: Times, unsummed: bool) -> None:
        self._exchange, self._times, self._unsummed = exchange, times, unsummed
        self.rank, self.size = exchange.rank, exchange.size

    def numbers(self, own: Sequence[float]) -> list[float]:
        with self._times.of("wait" if len(own) > 2 else "begin"):
            return self._exchange.numbers(own)

    def row(self, size: int, device: torch.device) -> torch.Tensor:
        return self._exchange.row(size, device)

    def sum_row(self) -> None:
        with self._times.of("add"):
            self._exchange.sum_row()


class TimedRanks(Together):
    """Ranks under the clock."""

    def __init__(self, ranks: Together, times: Times, unsummed: bool) -> None:
        super().__init__(Timed(ranks._exchange, times, unsummed))
        self._times, self._unsummed = times, unsummed
        if unsummed:
            self._require_same = lambda state: None  # type: ignore[method-assign]

    def sum_gradients(
        self, model: Any, loss: float, figures: dict[str, float]
    ) -> tuple[float, dict[str, float]]:
        if self._unsummed:
            return loss, figures
        before = self._times["wait"] + self._times["add"]
        with self._times.of("fill"):
            summed = super().sum_gradients(model, loss, figures)
        self._times["fill"] -= self._times["wait"] + self._times["add"] - before
        return summed


def steps(
    specification: dict[str, Any], device: torch.device, ranks: Ranks, times: Times
) -> Iterator[StepRecord]:
    """A training set up as the pretraining stage sets it up."""
    tokenizer = load_tokenizer(specification["tokenizer"])
    dropout = specification["dropout"]
    model = Bert(size=specification["size"], dropout=dropout, attention_dropout=dropout).build(
        vocabulary=Vocabulary(text.VOCABULARY, int(tokenizer.pad_token_id)), seed=1
    )
    optimizer = AdamW(lr=1e-3).build(model=model)
    step = optimizer.step

    def timed_step(*arguments: Any) -> None:
        with times.of("optimizer"):
            step(*arguments)

    optimizer.step = timed_step  # type: ignore[method-assign]
    length = Length(1e9, "steps")
    training = Training(
        objective=Mlm().build(tokenizer=tokenizer, seed=1),
        feed=Feed(
            text.windows(Path(specification["store"]), tokenizer),
            batch=Length(specification["batch"], "sequences"),
            seed=1,
        ),
        schedule=Constant(warmup=Length(100, "steps")).build(length=length),
        length=length,
        seed=1,
        precision=specification["precision"],
        device=device,
        ranks=TimedRanks(ranks, times, specification["unsummed"]) if isinstance(ranks, Together) else ranks,
    )
    return train(training, TrainState(model, optimizer, [ClipNorm(max_norm=1.0).build()]))


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: size, batch (sequences), precision, dropout, ranks, unsummed, compared (first steps of which the
    losses are told), tokenizer and store (folders), threads.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join([str(harness.HERE), os.environ.get("PYTHONPATH", "")])
    machine = prepare(Hardware(threads=specification["threads"], device="cpu"))
    with (
        Team(
            specification["ranks"],
            device=machine.device,
            threads=machine.threads,
            description=specification,
            program=(__file__, "rank"),
        ) as team,
        threads(team.threads),
    ):
        times = Times()
        records = steps(specification, machine.device, team.ranks, times)
        losses = [next(records).loss for _ in range(max(WARM_UP, specification["compared"]))]
        session.answer(losses=losses)
        while True:
            order = session.command()
            for _ in range(UNTIMED):
                next(records)
            times.clear()
            done, tokens, began = 0, 0, Clock.now()
            while Clock.now().wall - began.wall < order["seconds"]:
                tokens += next(records).tokens
                done += 1
            session.answer(steps=done, tokens=tokens, parts=dict(times), **Clock.now().since(began))


def follow() -> None:
    """Another rank."""
    specification, device, ranks = join()
    prepare(Hardware(threads=torch.get_num_threads(), device="cpu"))
    for _ in steps(specification, device, ranks, Times()):
        pass


def milliseconds(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Of each part of a step, and of the whole."""
    total = sum(one["steps"] for one in rounds) / 1e3
    found = {part: sum(one["parts"].get(part, 0.0) for one in rounds) / total for part in PARTS[1:]}
    whole = sum(one["seconds"] for one in rounds) / total
    return {"work": whole - sum(found.values()), **found, "step": whole}


def candidates(number: int) -> list[tuple[str, int, bool]]:
    """(name, ranks, unsummed) of every way to share so many threads."""
    sizes = [size for size in range(1, number + 1) if number % size == 0]
    return [
        (f"{size} × {number // size}" + " unsummed" * unsummed, size, unsummed)
        for size in sizes
        for unsummed in ((False, True) if size > 1 else (False,))
    ]


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", default=["mini"], metavar="SIZE")
    parser.add_argument(
        "--batches", nargs="+", type=int, default=[32, 224], metavar="LINES", help="lines a step"
    )
    parser.add_argument(
        "--busy", type=int, default=0, metavar="N", help="programs that compete for the cores (none)"
    )
    parser.add_argument("--no-curves", action="store_true", help="do not compare losses")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    options = parser.parse_args()
    common = {
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(text.store_folder(options.data, options.scratch, "train")),
    }
    findings: dict[str, Any] = {}
    rounds: dict[str, list[dict[str, Any]]] = {}
    for size in options.sizes:
        for batch in options.batches[:1] if options.short else options.batches:
            given = {**common, "size": size, "batch": batch, "threads": options.threads}
            name = f"{size}, {batch} lines"
            found, results = raced(options, given)
            wanted = batch == options.batches[0] and not options.no_curves
            findings[name] = {"ways": found, "losses": compared(options, given) if wanted else {}}
            rounds |= {f"{name}: {one}": figures for one, figures in results.items()}
            told(name, options.precision, findings[name])
    harness.finish(f"ranks-busy-{options.busy}" if options.busy else "ranks", options, findings, rounds)


def raced(options: Any, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Tokens a second, ratios to one process, and milliseconds, by candidate; and the rounds themselves."""
    ways = candidates(options.threads)
    seconds = options.seconds or (30 if options.short else 90)
    with harness.Race(options.threads) as race:
        for name, size, unsummed in ways:
            own = {
                "ranks": size,
                "unsummed": unsummed,
                "precision": options.precision,
                "dropout": 0.1,
                "compared": 0,
            }
            race.add(name, "ranks", **given, **own)
        with competitors(options.busy):
            results = race.run(options.rounds, seconds=seconds / options.rounds / len(ways))
    first = results[ways[0][0]]
    found = {
        name: {
            "tokens_per_second": harness.spread([harness.tokens_per_second(one) for one in figures]),
            "ratio": harness.paired(figures, first),
            "milliseconds": milliseconds(figures),
        }
        for name, figures in results.items()
    }
    return found, results


@contextmanager
def competitors(number: int) -> Iterator[None]:
    """So many processes that do nothing, all the time."""
    busy = [subprocess.Popen((sys.executable, "-c", "while True: pass")) for _ in range(number)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def compared(options: Any, given: dict[str, Any]) -> dict[str, float]:
    """The largest relative difference of a step's loss to that of one process, by number of ranks."""
    losses = {}
    for name, size, unsummed in candidates(options.threads):
        if not unsummed:
            worker = harness.Worker(
                name,
                "ranks",
                {
                    **given,
                    "ranks": size,
                    "unsummed": False,
                    "precision": "fp32",
                    "dropout": 0.0,
                    "compared": COMPARED,
                },
                threads=options.threads,
            )
            losses[name] = worker.wait()["losses"]
            worker.close()
    first, *others = losses
    return {
        name: max(abs(a / b - 1) for a, b in zip(losses[name], losses[first], strict=True)) for name in others
    }


def told(name: str, precision: str, found: dict[str, Any]) -> None:
    """The tables of one size and batch."""
    print(f"\n{name}, {precision} (ranks × threads of each)")
    rows = [
        [way, harness.shown(one["tokens_per_second"], 0), harness.shown(one["ratio"])]
        + [f"{one['milliseconds'][part]:.1f}" for part in (*PARTS, "step")]
        for way, one in found["ways"].items()
    ]
    print(harness.table(["", "tokens/s", "to one process", *PARTS, "ms a step"], rows))
    for way, difference in found["losses"].items():
        print(
            f"losses of {way}: within {difference:.1e} of one process over {COMPARED} steps (fp32, no dropout)"
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["rank"]:
        follow()
    else:
        main()
