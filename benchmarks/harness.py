"""Comparing candidates fairly: each in a process of its own, taking turns in one run, judged by ratios within rounds.

A round lets every candidate work once, in an order that rotates from round to round. A ratio is taken between two
candidates' figures of the same round, so that what slows the machine for a minute slows both sides of it; the median
over the rounds is the finding, the lowest and the highest say how far to trust it. Between its turns a candidate waits
for a line on its stdin and uses no core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
from acclimate.artifacts import durable

HERE = Path(__file__).parent
RECORDS = HERE / "records"
SCRATCH = HERE.parent / "build" / "benchmarks"
DATA = HERE.parent.parent / "shared" / "data"
ROUNDS, SHORT_ROUNDS = 5, 3

TUNED = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:"
    "glibc.malloc.top_pad=67108864",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "GOMP_SPINCOUNT": "3000",
}
"""What `acclimate` does to its own process, for a process of another's: glibc keeps freed memory instead of giving it
back to the system at every large tensor."""


class Failed(Exception):
    """A candidate's process ended before it was told to."""


class Parser(argparse.ArgumentParser):
    """A parser that knows how many rounds each form has."""

    def parse_known_args(self, *arguments: Any, **others: Any) -> Any:
        options, rest = super().parse_known_args(*arguments, **others)
        if options.rounds is None:
            options.rounds = SHORT_ROUNDS if options.short else ROUNDS
        return options, rest


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that all programs have; a program adds its own."""
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a quick look: less of everything; no record")
    parser.add_argument("--record", action="store_true", help="write the record in the short form too")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads of each candidate (2)")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="about how long all timed rounds take together"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds ({ROUNDS}; short: {SHORT_ROUNDS})")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="where the texts lie")
    parser.add_argument(
        "--scratch", type=Path, default=SCRATCH, metavar="FOLDER", help="for what is made on the way"
    )
    return parser


class Worker:
    """A candidate's process, seen from outside."""

    def __init__(
        self,
        name: str,
        module: str,
        specification: Mapping[str, Any],
        *,
        threads: int,
        environment: Mapping[str, str] = {},
    ) -> None:
        """Starts `module.candidate(specification, …)`. It is ready after `wait`."""
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        self._process = subprocess.Popen(
            (sys.executable, str(HERE / "session.py"), module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **settings},
            encoding="utf-8",
        )
        self._send({**specification, "threads": threads})

    def wait(self) -> dict[str, Any]:
        """Until the candidate is ready; what it says of itself."""
        return self._receive()

    def ask(self, **command: Any) -> dict[str, Any]:
        """One command, and its answer."""
        self._send(command)
        return self._receive()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failed()
        return json.loads(line)

    def _failed(self) -> Failed:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", errors="replace").splitlines()
        return Failed(f"{self.name} ended with {code}:\n" + "\n".join(said[-30:]))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


@dataclass
class Race:
    """Candidates taking turns."""

    threads: int
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Each candidate's answers, round by round."""
    workers: dict[str, Worker] = field(default_factory=dict)

    def add(
        self, name: str, module: str, *, environment: Mapping[str, str] = {}, **specification: Any
    ) -> None:
        """Start a candidate and wait until it is ready, so that no two warm up at once."""
        worker = Worker(name, module, specification, threads=self.threads, environment=environment)
        self.workers[name] = worker
        worker.wait()
        tell(f"  {name}: ready")

    def run(self, rounds: int, **command: Any) -> dict[str, list[dict[str, Any]]]:
        """The rounds, every candidate once in each, each time another one first."""
        self.results = {}
        for number in range(rounds):
            self.turn(**command)
            tell(f"  round {number + 1} of {rounds}")
        return self.results

    def turn(self, **command: Any) -> None:
        """One round: every candidate once."""
        names = list(self.workers)
        first = len(self.results.get(names[0], [])) % len(names)
        for name in names[first:] + names[:first]:
            self.results.setdefault(name, []).append(self.workers[name].ask(**command))

    def __enter__(self) -> Race:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.workers.values():
            worker.close()


def tell(text: str) -> None:
    """Where we are, on stderr."""
    print(text, file=sys.stderr, flush=True)


def tokens_per_second(figures: Mapping[str, Any]) -> float:
    """Real tokens, padding not counted, by wall time."""
    return figures["tokens"] / figures["seconds"]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest, highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def paired(
    ours: Sequence[Mapping[str, Any]],
    theirs: Sequence[Mapping[str, Any]],
    figure: Callable[[Mapping[str, Any]], float] = tokens_per_second,
) -> dict[str, float]:
    """The ratio of a figure of ours to theirs, taken within each round."""
    return spread([figure(one) / figure(other) for one, other in zip(ours, theirs, strict=True)])


def shown(value: Mapping[str, float], digits: int = 2) -> str:
    """`3.21 (3.10–3.40)`"""
    return f"{value['median']:,.{digits}f} ({value['low']:,.{digits}f}–{value['high']:,.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns lined up: the first to the left, the others to the right."""
    cells = [list(head), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in cells
    ]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])


def finish(
    name: str,
    options: argparse.Namespace,
    findings: Mapping[str, Any],
    rounds: Mapping[str, list[dict[str, Any]]],
) -> None:
    """Say whether the machine was free, and write the record: of a full run, or when asked to.

    findings: what the program concludes; rounds: every answer of every candidate, from which it was concluded.
    """
    disturbed = machine.busy([figures for answers in rounds.values() for figures in answers])
    if disturbed:
        print(f"\nThe machine was busy: in {disturbed:.0%} of the turns a candidate had to wait for a core.")
    if options.short and not options.record:
        return
    path = durable.new_folder(RECORDS) / f"{name}.json"
    record = {
        "benchmark": name,
        "form": "short" if options.short else "full",
        "machine": machine.describe(options.threads),
        "disturbed_rounds": disturbed,
        "options": {
            key: value
            for key, value in vars(options).items()
            if key not in ("data", "scratch", "record", "short")
        },
        "findings": findings,
        "rounds": rounds,
    }
    durable.write_json(path, record)
    print(f"\nrecord: benchmarks/records/{path.name}")
