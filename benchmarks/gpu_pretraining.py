"""Pretraining on an accelerator: the engine against the Trainer's best settings, and against the bf16 matrix rate.

BERT-base, masked language modelling in bf16 on WikiText-2's lines, as in pretraining_vs_trainer.py, with larger
batches. The Trainer has SDPA, fused AdamW and bf16 autocast, with and without batches of similar lengths and
`torch_compile`; a star marks its best. The matrix rate is that of the device's best large bf16 product in the same
run. Model FLOPs utilisation counts useful FLOPs only: forward and twice that for the gradients, real tokens, attention
within lines, the head on the 15 % of tokens that are asked for.

Without a CUDA device there is nothing to measure, and the program says so and ends well; `--device cpu` tries it out.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch

import ceiling
import harness
import text
from acclimate.models.families.bert import Bert
from acclimate.models.sizes import forward_flops, meta_model
from harness import Race, paired, shown, spread, table, tokens_per_second
from machine import Clock
from mlm import settled
from pretraining_vs_trainer import mean_length
from session import Session

NAME = "gpu_pretraining"
OURS, RATE = "engine bf16", "matrix rate bf16"
TRAINER = {
    "Trainer bf16": {"order": "ours"},
    "Trainer bf16 compiled": {"order": "ours", "compile": True},
    "Trainer bf16 grouped": {"order": "grouped"},
    "Trainer bf16 grouped compiled": {"order": "grouped", "compile": True},
}
TURN, SHORT_TURN = 10.0, 2.0
EDGES = {"cuda": (4096, 8192, 16384), "cpu": (512, 1024)}
"""Of the square products among which the fastest is the matrix rate."""


def candidate(specification: dict[str, Any], session: Session) -> None:
    """The matrix rate: answers the FLOPs and seconds of the fastest square product. specification: device, threads."""
    torch.set_num_threads(specification["threads"])
    device = torch.device(specification["device"])
    pairs = [
        tuple(torch.randn(edge, edge, device=device, dtype=torch.bfloat16) for _ in range(2))
        for edge in EDGES[device.type]
    ]
    settle = settled(device)
    for a, b in pairs:
        torch.mm(a, b)
    session.answer(ready=True)
    while True:
        seconds = session.command()["seconds"] / len(pairs)
        found = [_rate(a, b, settle, seconds) for a, b in pairs]
        session.answer(**max(found, key=lambda figures: figures["flops"] / figures["seconds"]))


def _rate(a: torch.Tensor, b: torch.Tensor, settle: Any, seconds: float) -> dict[str, Any]:
    settle()
    began, times = Clock.now(), 0
    while times < 3 or Clock.now().wall - began.wall < seconds:
        for _ in range(5):
            torch.mm(a, b)
        times += 5
        settle()
    return {"flops": 2 * len(a) ** 3 * times, **Clock.now().since(began)}


def flops_per_token(size: str, mean: float) -> float:
    """Useful FLOPs of training on one real token."""
    config = Bert(size=size).config()  # type: ignore[arg-type]
    hidden, vocabulary = config.hidden_size, text.VOCABULARY
    head = ceiling.ASKED * 2 * (hidden * hidden + hidden * vocabulary)
    return 3 * (forward_flops(meta_model(config, "encoder"), round(mean)) + head)


def summed_up(rounds: dict[str, list[dict[str, Any]]], per_token: float) -> dict[str, Any]:
    """Rates, ratios of the engine to each peer, and the shares of the matrix rate."""
    rate = statistics.median([answer["flops"] / answer["seconds"] for answer in rounds[RATE]])
    findings: dict[str, Any] = {"matrix_rate_tflops": rate / 1e12}
    for name, answers in rounds.items():
        if name == RATE:
            continue
        speeds = [tokens_per_second(answer) for answer in answers]
        findings[name] = {
            "tokens_per_second": spread(speeds),
            "utilisation": spread([speed * per_token / rate for speed in speeds]),
        }
        if name != OURS:
            findings[name]["ratio"] = paired(rounds[OURS], answers)
    peers = [name for name in rounds if name in TRAINER]
    findings["best_peer"] = max(peers, key=lambda name: findings[name]["tokens_per_second"]["median"])
    return findings


def raced(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    names = [name for name, settings in TRAINER.items() if options.compile or "compile" not in settings]
    turn = SHORT_TURN if options.short else TURN
    if options.seconds:
        turn = options.seconds / (options.rounds * (len(names) + 2))
    common = {
        "precision": "bf16",
        "size": options.size,
        "batch": options.batch,
        "seed": 17,
        "peak": 1e-4,
        "warmup": 20,
        "device": options.device,
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(text.store_folder(options.data, options.scratch, "train")),
    }
    with Race(options.threads) as race:
        for name in names:
            race.add(name, "mlm", side="trainer", **common, **TRAINER[name])
        race.add(OURS, "mlm", side="engine", **common)
        race.add(RATE, NAME, device=options.device)
        return race.run(options.rounds, seconds=turn)


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="where (cuda); cpu tries the program out"
    )
    parser.add_argument("--size", choices=list(ceiling.BATCH), default="base", help="of BERT (base)")
    parser.add_argument("--batch", type=int, default=256, metavar="N", help="lines a step (256)")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave torch_compile out")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("torch finds no CUDA device here: nothing was measured and no record was written.")
        return
    rounds = raced(options)
    findings = summed_up(rounds, flops_per_token(options.size, mean_length(options)))
    if options.device == "cuda":
        findings["device"] = torch.cuda.get_device_name()
    rows = [
        [
            name + (" *" if name == findings["best_peer"] else ""),
            shown(figures["tokens_per_second"], 0),
            shown({key: 100 * value for key, value in figures["utilisation"].items()}, 1),
            shown(figures["ratio"]) if "ratio" in figures else "",
        ]
        for name, figures in findings.items()
        if isinstance(figures, dict)
    ]
    print(
        f"\nBERT {options.size}, {options.batch} lines a step; matrix rate {findings['matrix_rate_tflops']:.1f} TFLOP/s"
    )
    print(table(["", "real tokens/s", "% of matrix rate", f"{OURS} ÷ it"], rows))
    if options.device == "cuda":
        harness.finish(NAME, options, findings, rounds)


if __name__ == "__main__":
    main()
