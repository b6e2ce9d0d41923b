"""How cost grows: speed and memory against the size of the corpus, step time against the tokens of a step.

Corpora of 1, 10 and 100 million tokens are made of WikiText-2's lines, each pass over them in another order. The
engine trains a tiny BERT (the smallest model, beside which the rest weighs most) on each, in turns: tokens per second
and memory should not change. `own` is memory that is the process's own; the peak also counts the corpus's mapped pages,
which the system takes back when it needs them.

Then one engine takes steps of very different numbers of tokens; seconds = a + b · tokens is fitted to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import harness
import mlm
import text
from acclimate.artifacts import durable
from acclimate.batching.token_store import TokenStore
from acclimate.engine.feed import Feed
from acclimate.engine.loop import train
from acclimate.recipe.units import Length
from harness import Race, shown, spread, table, tokens_per_second
from machine import Clock
from session import Session

NAME = "growth"
SIZES, SHORT_SIZES = (1_000_000, 10_000_000, 100_000_000), (1_000_000, 10_000_000)
STEPS, SHORT_STEPS = (512, 1024, 2048, 4096, 8192, 16384), (512, 2048, 8192)
"""Tokens of a step."""
TIMED = 3
"""Steps a turn."""
TURN, SHORT_TURN = 5.0, 1.0


def passes(source: TokenStore, total: int) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
    """The documents again and again, each time in another order, until there are `total` tokens."""
    lengths, done = np.diff(source.offsets), 0
    for number in range(-(-total // source.num_tokens)):
        order = np.random.default_rng(number).permutation(len(lengths))
        ends = done + np.cumsum(lengths[order])
        order = order[: int(np.searchsorted(ends, total)) + 1]
        row = np.repeat(source.offsets[order] - (np.cumsum(lengths[order]) - lengths[order]), lengths[order])
        tokens = source.tokens[row + np.arange(len(row))]
        done += len(tokens)
        yield tokens, lengths[order]


def corpus(options: argparse.Namespace, folder: Path, total: int) -> Path:
    """A token store of about so many tokens in the folder."""
    source = TokenStore(text.store_folder(options.data, options.scratch, "train"))
    place = durable.new_folder(folder / str(total))
    text.write_store(place, passes(source, total))
    return place


def candidate(specification: dict[str, Any], session: Session) -> None:
    """As in mlm.py; each command {"tokens": n} does a few steps of n tokens and answers each one's tokens and time."""
    training, state = mlm.prepared(specification)
    for tokens in specification["steps"]:
        _some(training, state, tokens, 2)
    session.answer(ready=True)
    while True:
        tokens = session.command()["tokens"]
        began = Clock.now()
        steps = _some(training, state, tokens, 1 + TIMED)[1:]
        session.answer(
            step_tokens=[step.tokens for step in steps],
            step_seconds=[step.seconds for step in steps],
            **Clock.now().since(began),
        )


def _some(training: Any, state: Any, tokens: int, number: int) -> list[Any]:
    feed = Feed(training.feed.store, batch=Length(tokens, "tokens"), seed=training.seed)
    return list(islice(train(replace(training, feed=feed), state), number))


def fitted(tokens: NDArray[np.float64], seconds: NDArray[np.float64]) -> dict[str, float]:
    """seconds = fixed + slope · tokens by least squares of relative errors, and how well it holds."""
    weight = 1 / seconds
    columns = np.stack([np.ones_like(tokens), tokens], axis=1)
    (fixed, slope), *_ = np.linalg.lstsq(columns * weight[:, None], seconds * weight, rcond=None)
    off = np.abs(columns @ np.array([fixed, slope]) / seconds - 1)
    return {
        "fixed_milliseconds": 1e3 * float(fixed),
        "microseconds_per_token": 1e6 * float(slope),
        "r_squared": float(np.corrcoef(tokens, seconds)[0, 1] ** 2),
        "median_relative_error": float(np.median(off)),
    }


def specification(options: argparse.Namespace, store: Path) -> dict[str, Any]:
    return {
        "side": "engine",
        "precision": "bf16",
        "size": "tiny",
        "batch": 32,
        "seed": 17,
        "peak": 1e-3,
        "warmup": 20,
        "device": "cpu",
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(store),
    }


def corpora(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """(findings, rounds) for corpora of different sizes."""
    sizes = SHORT_SIZES if options.short else SIZES
    turn = SHORT_TURN if options.short else TURN
    if options.seconds:
        turn = options.seconds / (options.rounds * len(sizes))
    durable.new_folder(options.scratch)
    with durable.scratch_folder(options.scratch) as folder, Race(options.threads) as race:
        for size in sizes:
            race.add(
                f"{size // 10**6}M tokens", "mlm", **specification(options, corpus(options, folder, size))
            )
        rounds = race.run(options.rounds, seconds=turn)
    findings = {
        name: {
            "tokens_per_second": spread([tokens_per_second(answer) for answer in answers]),
            "own_memory": max(answer["own_memory"] for answer in answers),
            "peak_memory": max(answer["peak_memory"] for answer in answers),
        }
        for name, answers in rounds.items()
    }
    return findings, rounds


def steps(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the fit, rounds) for steps of different numbers of tokens."""
    counts = SHORT_STEPS if options.short else STEPS
    with Race(options.threads) as race:
        store = text.store_folder(options.data, options.scratch, "train")
        race.add("step", NAME, **specification(options, store), steps=counts)
        rounds = {f"step of {count} tokens": [] for count in counts}
        for _ in range(options.rounds):
            for count in counts:
                rounds[f"step of {count} tokens"].append(race.workers["step"].ask(tokens=count))
    every = [answer for answers in rounds.values() for answer in answers]
    tokens, seconds = (
        np.array([value for answer in every for value in answer[key]], float)
        for key in ("step_tokens", "step_seconds")
    )
    return fitted(tokens, seconds), rounds


def main() -> None:
    options = harness.arguments(__doc__).parse_args()
    findings, rounds = corpora(options)
    rows = [
        [
            name,
            shown(figures["tokens_per_second"], 0),
            f"{figures['own_memory'] / 1e9:.2f}",
            f"{figures['peak_memory'] / 1e9:.2f}",
        ]
        for name, figures in findings.items()
    ]
    print("tiny BERT, 32 lines a step")
    print(table(["corpus", "real tokens/s", "own GB", "peak GB"], rows))
    fit, step_rounds = steps(options)
    rows = [
        [
            name,
            shown(spread([s for answer in answers for s in (1e3 * v for v in answer["step_seconds"])]), 1),
            f"{sum(sum(a['step_tokens']) for a in answers) / sum(sum(a['step_seconds']) for a in answers):,.0f}",
        ]
        for name, answers in step_rounds.items()
    ]
    print("\n" + table(["", "milliseconds", "tokens/s"], rows))
    print(
        f"seconds of a step = {fit['fixed_milliseconds']:.1f} ms + {fit['microseconds_per_token']:.1f} µs a token; "
        f"R² {fit['r_squared']:.4f}, median error {fit['median_relative_error']:.1%}"
    )
    harness.finish(NAME, options, {"corpus": findings, "step": fit}, rounds | step_rounds)


if __name__ == "__main__":
    main()
