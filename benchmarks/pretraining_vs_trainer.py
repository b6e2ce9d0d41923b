"""Pretraining speed: this package's engine against the Trainer of Transformers and the ceiling (see ceiling.py).

Masked language modelling with BERT on WikiText-2's lines of natural length (see text.py, mlm.py). Timed are whole
training steps by wall time: taking the batch, masking, forward, backward, clipping, optimizer. Counted are real tokens
only. Left out are start-up and each round's first step.

The Trainer runs with dynamic padding, fused AdamW and SDPA (plain products are as fast for it), in fp32 and with bf16
autocast, each also with batches of similar lengths (`grouped`, its `group_by_length`). Each setting once as it comes
(`stock`), once with the allocator settings that this package gives its own process (`tuned`). A star marks its best.

Then both train 100 steps from the same weights on the same lines, with masks and dropout of their own, and the loss
curves are laid side by side.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
from typing import Any

import ceiling
import harness
import text
from acclimate.tokenizer.loading import load_tokenizer
from harness import Race, paired, shown, spread, table, tokens_per_second

NAME = "pretraining_vs_trainer"
SEED = 17
PEAK = {"tiny": 1e-3, "mini": 1e-3, "small": 5e-4, "base": 1e-4}
WARMUP = 20
TURN, SHORT_TURN = 6.0, 1.5
"""Seconds of each candidate in each round."""
STEPS, SHORT_STEPS, WINDOW = 100, 30, 10
"""Of the loss curves; and the steps that one printed value is the mean of."""

OURS, PLAIN, CEILING = "engine bf16", "engine fp32", "ceiling bf16"
ENGINE = {name: {"side": "engine", "precision": name[-4:]} for name in (OURS, PLAIN)}
TRAINER = {
    " ".join(filter(None, ("Trainer", precision, order))): {"precision": precision, "order": order or "ours"}
    for precision, order in itertools.product(("fp32", "bf16"), ("", "grouped"))
}
FIELDS = {
    "fp32": ("Trainer fp32", "Trainer fp32 grouped", PLAIN, OURS),
    "bf16": ("Trainer bf16", "Trainer bf16 grouped", OURS, CEILING),
}
"""Who runs against whom; four Trainers at once do not fit into 24 GB of memory."""
CURVES = ("Trainer fp32", "Trainer bf16", PLAIN, OURS)


def specification(options: argparse.Namespace, size: str, name: str) -> dict[str, Any]:
    """What mlm.py must know of a candidate."""
    side = ENGINE[name] if name in ENGINE else {"side": "trainer", **TRAINER[name]}
    return {
        **side,
        "size": size,
        "batch": options.batch or ceiling.BATCH[size],
        "seed": SEED,
        "peak": PEAK[size],
        "warmup": WARMUP,
        "device": "cpu",
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(text.store_folder(options.data, options.scratch, "train")),
    }


def wanted(options: argparse.Namespace, name: str) -> bool:
    """All, or those asked for."""
    return not options.only or any(word in name for word in options.only)


def speed(
    options: argparse.Namespace, size: str, allocator: str, precision: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(findings, rounds) of one race: one size and precision, the Trainer's processes with one allocator setting."""
    names = [name for name in FIELDS[precision] if wanted(options, name)]
    turn = SHORT_TURN if options.short else TURN
    if options.seconds:
        races = len(options.sizes) * len(options.allocator) * len(options.precision)
        turn = options.seconds / (options.rounds * len(names) * races)
    mean = mean_length(options)
    with Race(options.threads) as race:
        for name in names:
            tuned = harness.TUNED if allocator == "tuned" or name == CEILING else {}
            environment = {} if name in ENGINE else tuned
            if name == CEILING:
                tokens = round(mean * (options.batch or ceiling.BATCH[size]))
                race.add(name, "ceiling", environment=environment, size=size, tokens=tokens)
            else:
                race.add(name, "mlm", environment=environment, **specification(options, size, name))
        rounds = race.run(options.rounds, seconds=turn)
    return found(rounds), rounds


def mean_length(options: argparse.Namespace) -> float:
    tokenizer = load_tokenizer(text.tokenizer_folder(options.data, options.scratch))
    return float(
        text.windows(text.store_folder(options.data, options.scratch, "train"), tokenizer).lengths.mean()
    )


def found(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Each candidate's rate and peak of memory; each engine's ratio to every other candidate, and to the best peer."""
    rates = {name: [tokens_per_second(answer) for answer in answers] for name, answers in rounds.items()}
    findings: dict[str, Any] = {
        name: {
            "tokens_per_second": spread(rates[name]),
            "peak_memory": max(answer["peak_memory"] for answer in answers),
            "ratio_of": {
                ours: paired(rounds[ours], answers) for ours in ENGINE if ours in rounds and ours != name
            },
        }
        for name, answers in rounds.items()
    }
    peers = [name for name in rounds if name in TRAINER]
    if peers:
        findings["best_peer"] = max(peers, key=lambda name: statistics.median(rates[name]))
    return findings


def show(findings: dict[str, Any], title: str) -> None:
    """The race as a table."""
    rows = []
    for name, figures in findings.items():
        if name == "best_peer":
            continue
        ratios = [
            shown(figures["ratio_of"][ours]) if ours in figures["ratio_of"] else "" for ours in (OURS, PLAIN)
        ]
        memory = f"{figures['peak_memory'] / 1e9:.2f}" if name != CEILING else ""
        star = " *" if name == findings.get("best_peer") else ""
        rows.append([name + star, shown(figures["tokens_per_second"], 0), memory, *ratios])
    print(f"\n{title}\n" + table(["", "real tokens/s", "peak GB", f"{OURS} ÷ it", f"{PLAIN} ÷ it"], rows))


def curves(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """(findings, losses) of a short training of the first size from the same weights on the same lines."""
    steps = SHORT_STEPS if options.short else STEPS
    names = [name for name in CURVES if wanted(options, name)]
    losses: dict[str, list[float]] = {}
    for name in names:
        with Race(options.threads) as race:
            environment = harness.TUNED if name in TRAINER else {}
            race.add(name, "mlm", environment=environment, **specification(options, options.sizes[0], name))
            losses[name] = race.run(1, losses=steps)[name][0]["losses"]
    rows = [
        [
            f"{start + 1}–{start + WINDOW}",
            *(f"{statistics.mean(losses[n][start : start + WINDOW]):.3f}" for n in names),
        ]
        for start in range(0, steps, WINDOW)
    ]
    print(
        f"\nLoss, BERT {options.sizes[0]}, same weights and lines, own masks and dropout\n"
        + table(["steps", *names], rows)
    )
    findings = {}
    for theirs, ours in itertools.product(
        [n for n in names if n in TRAINER], [n for n in names if n in ENGINE]
    ):
        findings[f"{ours} − {theirs}"] = gap = difference(losses[ours], losses[theirs])
        verdict = "within noise" if abs(gap["mean"]) <= 3 * gap["error"] else "MORE THAN NOISE"
        print(f"{ours} − {theirs}: {gap['mean']:+.4f} ± {gap['error']:.4f} a step: {verdict}")
    return findings, {name: [{"losses": values}] for name, values in losses.items()}


def difference(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Mean of the difference step by step over the later half, and its standard error."""
    half = len(ours) // 2
    gaps = [one - other for one, other in zip(ours[half:], theirs[half:], strict=True)]
    return {"mean": statistics.mean(gaps), "error": statistics.stdev(gaps) / math.sqrt(len(gaps))}


def parsed() -> argparse.Namespace:
    parser = harness.arguments(__doc__)
    parser.add_argument(
        "--sizes", nargs="+", choices=list(ceiling.BATCH), help="which models (all; short: tiny)"
    )
    parser.add_argument(
        "--allocator", nargs="+", choices=("stock", "tuned"), help="of the Trainer (both; short: tuned)"
    )
    parser.add_argument(
        "--precision", nargs="+", choices=list(FIELDS), help="of the Trainer (both; short: bf16)"
    )
    parser.add_argument(
        "--batch", type=int, metavar="N", help="sequences a step (tiny, mini 32, small 16, base 8)"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", help="candidates whose names hold one of these words"
    )
    parser.add_argument("--no-curves", action="store_true", help="leave the loss curves out")
    options = parser.parse_args()
    options.sizes = options.sizes or (["tiny"] if options.short else list(ceiling.BATCH))
    options.allocator = options.allocator or (["tuned"] if options.short else ["stock", "tuned"])
    options.precision = options.precision or (["bf16"] if options.short else list(FIELDS))
    return options


def main() -> None:
    options = parsed()
    findings: dict[str, Any] = {}
    rounds: dict[str, Any] = {}
    for size, allocator, precision in itertools.product(options.sizes, options.allocator, options.precision):
        title = f"{size}, Trainer in {precision} with allocator {allocator}"
        harness.tell(title)
        findings[title], race = speed(options, size, allocator, precision)
        rounds |= {f"{title}: {name}": answers for name, answers in race.items()}
        show(findings[title], f"BERT {title}, {options.batch or ceiling.BATCH[size]} lines a step")
    if not options.no_curves:
        findings["loss"], losses = curves(options)
        rounds |= {f"loss: {name}": answers for name, answers in losses.items()}
    harness.finish(NAME, options, findings, rounds)


if __name__ == "__main__":
    main()
