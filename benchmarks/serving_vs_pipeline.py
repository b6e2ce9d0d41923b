"""Requests a second over HTTP: `acclimate serve` and a plain FastAPI service around a Transformers pipeline.

    python benchmarks/serving_vs_pipeline.py [--short]

A BERT classifier, one SST-2 sentence a request. Throughput is the highest rate of Poisson arrivals at which 99 % of
requests are answered within 50 ms and none fails; it is searched anew in each round, the servers taking turns. Then one
request after the other: the time of each. The plain service is run both ways that its tutorials show, and the faster
one is the peer. The servers share the first cores of this process, the client has the others where there are any.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from harness import HERE, Failed, Worker, arguments, finish, paired, shown, spread, table, tell
from inference import model_folder, texts_file

BOUND = 50.0
"""Milliseconds within which 99 % must be answered."""
FINE, COARSE = 1.06, 1.3
"""The search ends when the rates that pass and fail are this near; the short form's earlier."""
COMPARED = 64
PEERS = {"pool": "pipeline, a thread each", "queue": "pipeline, one at a time"}
"""How the plain service lets requests at its pipeline → its name."""


class Server:
    """A server in a process of its own with a client in another."""

    def __init__(
        self, name: str, command: list[str], path: str, cores: list[int], environment: dict[str, str]
    ) -> None:
        self.name = name
        self._path = path
        self._said = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed with the server
        self._process = subprocess.Popen(
            command,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.address = self._wait()
        self.client: Worker | None = None

    def _wait(self) -> tuple[str, int]:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            text = Path(self._said.name).read_text("utf-8")
            found = re.search(r"http://([\d.]+):(\d+)", text)
            if found and "ready" in text:
                return found[1], int(found[2])
            if self._process.poll() is not None:
                raise Failed(f"{self.name} ended with {self._process.returncode}:\n{text[-3000:]}")
            time.sleep(0.1)
        raise Failed(f"{self.name} was not ready within two minutes")

    def meet(self, texts: Path, cores: list[int]) -> None:
        """Start the client."""
        host, port = self.address
        specification = {"host": host, "port": port, "path": self._path, "bodies": str(texts), "cores": cores}
        self.client = Worker(f"client of {self.name}", "load", specification, threads=1)
        self.client.wait()

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.client is not None
        return self.client.ask(**command)

    def settle(self) -> None:
        """Wait until it has nothing left to do, so that the next one has the cores for itself."""
        process = psutil.Process(self._process.pid)
        for _ in range(300):
            before = process.cpu_times()
            time.sleep(0.1)
            after = process.cpu_times()
            if after.user + after.system - before.user - before.system <= 0.02:
                return

    def close(self) -> None:
        """End both."""
        if self.client is not None:
            self.client.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


def holds(trial: dict[str, Any]) -> bool:
    """Whether the server kept up."""
    return trial["failed"] == 0 and trial["p99"] <= BOUND


class Search:
    """The highest rate that holds, by bisection; it begins where the round before ended."""

    def __init__(self, server: Server, seconds: float, fine: float) -> None:
        self._server, self._seconds, self._fine = server, seconds, fine
        self._seed = 0
        self._near: float | None = None
        self._least = 0.0
        self.trials: list[dict[str, Any]] = []

    def run(self) -> float:
        """Requests a second; 0 where not even a quarter of the rate of lone requests holds."""
        if self._near is None:
            lone = self._server.ask(closed=20)
            self._near = 1000 / lone["p50"]
            self._least, step = self._near / 4, 2.0
        else:
            step = 1.25
        rate = self._near
        low, high = 0.0, math.inf
        while not (low and high <= self._fine * low):
            if self._holds(rate):
                low = rate
            else:
                high = rate
                if high <= self._least:
                    return 0.0
            rate = low * step if high == math.inf else math.sqrt(low * high) if low else high / step
        self._near = low
        return low

    def _holds(self, rate: float) -> bool:
        self._seed += 1
        # Enough requests for a percentile, and twice unless it is overrun: one disturbed moment is no finding.
        seconds = min(max(self._seconds, 200 / rate), 4 * self._seconds)
        for _ in range(2):
            trial = self._server.ask(rate=rate, seconds=seconds, seed=self._seed)
            self._server.settle()
            self.trials.append(
                {"rate": rate, **{key: trial[key] for key in ("requests", "failed", "p50", "p99", "late")}}
            )
            if holds(trial):
                return True
            if trial["failed"]:
                return False
            self._seed += 1000
        return False


def commands(model: Path, options: argparse.Namespace) -> dict[str, tuple[list[str], str]]:
    """Server → (command, path of its endpoint); the peers first."""
    plain = [sys.executable, str(HERE / "pipeline_server.py"), str(model), str(options.threads)]
    ours = [sys.executable, "-m", "acclimate", "serve", str(model), "--port", "0", "--device", "cpu"]
    ways = {"pool": "pipeline, a thread each"} if options.short else PEERS
    precisions = ("int8",) if options.short else ("fp32", "bf16", "int8")
    return {
        **{name: ([*plain, way], "/predict") for way, name in ways.items()},
        **{f"acclimate {one}": ([*ours, "--precision", one], "/v1/predict") for one in precisions},
    }


def answers(server: Server, number: int) -> list[tuple[str, float]]:
    """(label, probability) of the first texts."""
    found = []
    for said in server.ask(answers=number)["said"]:
        one = said["predictions"][0] if "predictions" in said else said[0]
        found.append((one["label"], one.get("probability", one.get("score"))))
    return found


def difference(found: list[tuple[str, float]], plain: list[tuple[str, float]]) -> dict[str, float]:
    same = [one[0] == other[0] for one, other in zip(found, plain, strict=True)]
    # Of two classes: the probability of the label that the peer chose.
    apart = [
        abs((one[1] if equal else 1 - one[1]) - other[1])
        for one, other, equal in zip(found, plain, same, strict=True)
    ]
    return {"labels": sum(same) / len(same), "probability": max(apart)}


def measure(size: str, options: argparse.Namespace, rounds: int, every: dict[str, Any]) -> dict[str, Any]:
    """All servers of one model size, taking turns."""
    model, texts = (
        model_folder(size, options.data, options.scratch),
        texts_file(options.data, options.scratch),
    )
    cores = sorted(os.sched_getaffinity(0))
    own, others = cores[: options.threads], cores[options.threads :] or cores
    environment = {
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    servers: dict[str, Server] = {}
    try:
        for name, (command, path) in commands(model, options).items():
            servers[name] = Server(name, command, path, own, environment)
            servers[name].meet(texts, others)
            servers[name].ask(closed=10 if size == "base" else 50)
            tell(f"  {name}: ready")
        seconds = options.seconds or (0.8 if options.short else 2.0)
        searches = {
            name: Search(server, seconds, COARSE if options.short else FINE)
            for name, server in servers.items()
        }
        said = {name: answers(server, COMPARED) for name, server in servers.items()}
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
        names = list(servers)
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                rate = searches[name].run()
                lone = servers[name].ask(closed=40 if size == "base" else 200)
                results[name].append({"rate": rate, "p50": lone["p50"], "p99": lone["p99"]})
            tell(f"  {size}: round {number + 1} of {rounds}")
    finally:
        for server in servers.values():
            server.close()
    peers = [name for name in names if name in PEERS.values()]
    quick = max(peers, key=lambda name: (_median(results[name], "rate"), -_median(results[name], "p50")))
    lone = min(peers, key=lambda name: _median(results[name], "p50"))
    every |= {f"{size} {name}": [*results[name], *searches[name].trials] for name in names}
    found = {}
    for name in names:
        ratios = {"alone": paired(results[lone], results[name], lambda one: one["p50"])}
        if all(one["rate"] for one in results[quick]):
            ratios["rate"] = paired(results[name], results[quick], lambda one: one["rate"])
        found[name] = {
            "requests_per_second": spread([one["rate"] for one in results[name]]),
            "p50_ms": spread([one["p50"] for one in results[name]]),
            "p99_ms": spread([one["p99"] for one in results[name]]),
            "times_the_peer": ratios,
            **difference(said[name], said[quick]),
        }
    return found


def _median(results: list[dict[str, Any]], figure: str) -> float:
    return spread([one[figure] for one in results])["median"]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--sizes", nargs="+", default=["mini", "base"], metavar="SIZE", help="of BERT (mini base)"
    )
    options = parser.parse_args()
    findings: dict[str, Any] = {}
    every: dict[str, Any] = {}
    for size in options.sizes[:1] if options.short else options.sizes:
        findings[size] = found = measure(size, options, 1 if options.short else options.rounds, every)
        rows = [
            [
                name,
                shown(one["requests_per_second"], 0),
                shown(one["times_the_peer"]["rate"]) if "rate" in one["times_the_peer"] else "-",
                f"{one['p50_ms']['median']:.2f}",
                f"{one['p99_ms']['median']:.2f}",
                shown(one["times_the_peer"]["alone"]),
                f"{one['probability']:.1e}",
                f"{one['labels']:.1%}",
            ]
            for name, one in found.items()
        ]
        head = (
            f"BERT {size}",
            "req/s, p99 ≤ 50 ms",
            "× peer",
            "alone p50 ms",
            "p99",
            "× peer",
            "|Δp|",
            "labels",
        )
        print("\n" + table(head, rows), flush=True)
    finish("serving_vs_pipeline", options, findings, every)


if __name__ == "__main__":
    main()
