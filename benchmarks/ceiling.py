"""The ceiling: a model's useful matrix products alone, each at the best it ever does, in bf16.

Useful are, of T real tokens in a step: the four projections and the two halves of the feed-forward block of every
layer on T rows, and the masked language model's head on the 15 % of rows that are asked for; each forward, for the
gradient of its input and for the gradient of its weights. Left out are attention's own products (which would lower the
ceiling by a few per cent and so flatter us) and everything else that a step does. Query, key and value are one
product; results are written into memory that is there already; the fastest of many repetitions counts.

    ceiling.py [--sizes tiny mini small base]      prints the tokens per second that nothing can exceed
"""

from __future__ import annotations

import time
from typing import Any

import torch

import harness
import text
from acclimate.models.families.bert import Bert
from session import Session

ASKED = 0.15
PASSES = 3
"""At least so many of each product, after one that does not count."""
BATCH = {"tiny": 32, "mini": 32, "small": 16, "base": 8}
"""Sequences a step on two cores, for both sides; the larger models' steps take seconds as it is."""


def products(size: str, tokens: int) -> list[tuple[int, int, int, int]]:
    """(rows, inputs, outputs, how often) of a step's matrix products."""
    layers, hidden, inner = (
        Bert.sizes[size][key] for key in ("num_hidden_layers", "hidden_size", "intermediate_size")
    )
    asked = round(ASKED * tokens)
    return [
        (tokens, hidden, 3 * hidden, layers),
        (tokens, hidden, hidden, layers),
        (tokens, hidden, inner, layers),
        (tokens, inner, hidden, layers),
        (asked, hidden, hidden, 1),
        (asked, hidden, text.VOCABULARY, 1),
    ]


def flops(size: str, tokens: int) -> int:
    """Of all products of a step, forward and both gradients."""
    return sum(
        3 * 2 * rows * inputs * outputs * times for rows, inputs, outputs, times in products(size, tokens)
    )


class Product:
    """One product with its two gradients, and the best time of each."""

    def __init__(self, rows: int, inputs: int, outputs: int, times: int) -> None:
        x, w, g = (
            torch.randn(*shape).bfloat16() for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
        )
        self._ways = [(x, w.t()), (g, w), (g.t(), x)]
        self._results = [torch.empty(a.shape[0], b.shape[1], dtype=a.dtype) for a, b in self._ways]
        self._best = [float("inf")] * 3
        self._times = times
        self._pass()
        self._best = [float("inf")] * 3

    def _pass(self) -> None:
        for way, (a, b) in enumerate(self._ways):
            began = time.perf_counter()
            torch.mm(a, b, out=self._results[way])
            self._best[way] = min(self._best[way], time.perf_counter() - began)

    def measure(self, seconds: float) -> float:
        """Its share of a step in seconds, at best, judged for so long."""
        self._best = [float("inf")] * 3
        until = time.perf_counter() + seconds
        passes = 0
        while passes < PASSES or time.perf_counter() < until:
            self._pass()
            passes += 1
        return self._times * sum(self._best)


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: size, tokens (of a step). Answers as a training would that did the products and nothing else."""
    torch.set_num_threads(specification["threads"])
    found = [Product(*shape) for shape in products(specification["size"], specification["tokens"])]
    session.answer(ready=True)
    while True:
        seconds = session.command()["seconds"] / len(found)
        session.answer(tokens=specification["tokens"], seconds=sum(one.measure(seconds) for one in found))


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", choices=list(BATCH), default=list(BATCH), help="which (all)")
    parser.add_argument("--tokens", type=int, default=1200, metavar="N", help="real tokens of a step (1200)")
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, Any]]] = {}
    with harness.Race(options.threads) as race:
        for size in options.sizes:
            race.add(size, "ceiling", environment=harness.TUNED, size=size, tokens=options.tokens)
        turn = (options.seconds or (5 if options.short else 30)) / (options.rounds * len(options.sizes))
        rounds = race.run(options.rounds, seconds=turn)
    rows, findings = [], {}
    for size, answers in rounds.items():
        rate = harness.spread([harness.tokens_per_second(answer) for answer in answers])
        speed = rate["median"] * flops(size, options.tokens) / options.tokens / 1e9
        findings[size] = {"tokens_per_second": rate, "gflops": speed}
        rows.append([size, harness.shown(rate, 0), f"{speed:,.0f}"])
    print(harness.table(["BERT, bf16", "tokens/s", "GFLOP/s"], rows))
    harness.finish("ceiling", options, findings, rounds)


if __name__ == "__main__":
    main()
