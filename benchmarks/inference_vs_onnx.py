"""Answers a second as a library, BERT classifier, SST-2's sentences one at a time and 32 at once.

    python benchmarks/inference_vs_onnx.py [--short]

Peers: the pipeline of Transformers, in fp32 and bf16, and ONNX Runtime, in fp32 and with dynamic int8, given its
tokens by the bare Rust tokenizer. All include tokenisation; all answers are compared with the pipeline's in fp32.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.artifacts import durable
from harness import Race, arguments, finish, paired, shown, spread, table, tell
from inference import model_folder, onnx_folder, texts_file

BATCHES = (1, 32)
PEER = "pipeline fp32"
COMPARED = 512
"""Texts on which answers are compared."""


def rate(figures: Any) -> float:
    """Texts a second."""
    return figures["texts"] / figures["seconds"]


def sides(options: argparse.Namespace, size: str) -> dict[str, dict[str, Any]]:
    """Each candidate's specification."""
    model = model_folder(size, options.data, options.scratch)
    common = {"texts": str(texts_file(options.data, options.scratch)), "model": str(model)}
    found: dict[str, dict[str, Any]] = {
        f"pipeline {precision}": {"side": "pipeline", "precision": precision, **common}
        for precision in ("fp32", "bf16")
    }
    for precision in ("fp32", "int8"):
        onnx = {"side": "onnx", "precision": precision, "onnx": str(onnx_folder(model, precision)), **common}
        found[f"ONNX Runtime {precision}"] = onnx
    for precision in ("fp32", "bf16", "int8"):
        found[f"acclimate {precision}"] = {"side": "engine", "precision": precision, **common}
    return found


def agreement(race: Race, scratch: Path, number: int) -> dict[str, dict[str, float]]:
    """Each candidate's largest difference of a probability from the peer's, and its share of equal labels."""
    answers = {}
    with durable.scratch_folder(scratch) as folder:
        for position, (name, worker) in enumerate(race.workers.items()):
            path = folder / f"{position}.npy"
            worker.ask(answers=number, batch=32, to=str(path))
            answers[name] = np.load(path)
    plain = answers[PEER]
    return {
        name: {
            "probability": float(np.abs(found - plain).max()),
            "labels": float((found.argmax(1) == plain.argmax(1)).mean()),
        }
        for name, found in answers.items()
    }


def main() -> None:
    options = arguments(__doc__).parse_args()
    sizes = ("mini",) if options.short else ("mini", "base")
    rounds = 2 if options.short else options.rounds
    findings: dict[str, Any] = {}
    every: dict[str, list[dict[str, Any]]] = {}
    for size in sizes:
        specifications = sides(options, size)
        seconds = (options.seconds or (16 if options.short else 140)) / (rounds * len(specifications) * 2)
        with Race(options.threads) as race:
            for name, specification in specifications.items():
                race.add(f"{name}", "inference", **specification)
            equal = agreement(race, options.scratch, 128 if options.short else COMPARED)
            for batch in BATCHES:
                tell(f"{size}, batch {batch}")
                results = race.run(rounds, batch=batch, seconds=seconds)
                findings[f"{size} {batch}"] = found = {
                    name: {
                        "texts_per_second": spread([rate(one) for one in results[name]]),
                        "p50_ms": spread([one["p50"] for one in results[name]]),
                        "p99_ms": spread([one["p99"] for one in results[name]]),
                        "against_pipeline": paired(results[name], results[PEER], rate),
                        "against_onnx_int8": paired(results[name], results["ONNX Runtime int8"], rate),
                        **equal[name],
                    }
                    for name in specifications
                }
                every |= {f"{size} {batch} {name}": answers for name, answers in results.items()}
                show(f"BERT {size}, batch {batch}", found)
    finish("inference_vs_onnx", options, findings, every)


def show(title: str, found: dict[str, Any]) -> None:
    rows = [
        [
            name,
            shown(one["texts_per_second"], 0),
            f"{one['p50_ms']['median']:.2f}",
            f"{one['p99_ms']['median']:.2f}",
            shown(one["against_pipeline"]),
            shown(one["against_onnx_int8"]),
            f"{one['probability']:.1e}",
            f"{one['labels']:.2%}",
        ]
        for name, one in found.items()
    ]
    head = (title, "texts/s", "p50 ms", "p99 ms", "× pipeline", "× ORT int8", "|Δp|", "labels equal")
    print("\n" + table(head, rows), flush=True)


if __name__ == "__main__":
    main()
