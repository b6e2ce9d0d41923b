"""Families beside each other: the same text and number of tokens, each with the objective it was published with.

Each run is the shipped command `acclimate run` on WikiText-2's lines. What is stated is what the run itself says:
held-out loss (of each objective's own question), bits per byte (exact for models from left to right; by
pseudo-likelihood where some tokens are hidden, decision 0003), the median speed of its steps, the peak memory of
its training.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import harness
from acclimate.artifacts import durable

NAME = "families"
TOKENS, SHORT_TOKENS = "5M tokens", "60k tokens"
ADAMW, ADAFACTOR = "{adamw: {lr: 5e-4}}", "adafactor"
RUNS: dict[str, tuple[str, str, str]] = {
    "bert, mlm": ("{family: bert, size: mini}", "mlm", ADAMW),
    "bert, mlm and nsp": ("{family: bert, size: mini}", "nsp", ADAMW),
    "albert, mlm and sop": ("{family: albert, size: mini}", "sop", ADAMW),
    "electra, rtd": ("{family: electra, size: mini}", "rtd", ADAMW),
    "gpt2, clm": ("{family: gpt2, size: mini}", "clm", ADAMW),
    "t5, span corruption": ("{family: t5, size: mini}", "span_corruption", ADAFACTOR),
    "bart, denoising": ("{family: bart, size: mini}", "denoise", ADAMW),
}
"""What stands in the table → model, objective and optimizer of the recipe."""
RECIPE = """\
name: %(name)s
seed: 17
corpus:
  sources: [{path: "%(text)s", documents: line}]
  clean: [unicode, {length: {min_characters: 30}}]
tokenizer: {train: {algorithm: wordpiece, vocab_size: 8k, lowercase: true}}
model: %(model)s
pretrain:
  objective: %(objective)s
  length: %(length)s
  batch: 2k tokens
  sequence_length: 128
  optimizer: %(optimizer)s
  schedule: {linear: {warmup: 6%%}}
hardware: {threads: %(threads)d}
"""


def run(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One family's figures."""
    model, objective, optimizer = RUNS[name]
    recipe = folder / f"{model_name(name)}.yaml"
    values = {
        "name": model_name(name),
        "text": options.data / "wikitext-2" / "wiki.train.txt.zst",
        "model": model,
        "objective": objective,
        "optimizer": optimizer,
        "length": options.tokens or (SHORT_TOKENS if options.short else TOKENS),
        "threads": options.threads,
    }
    durable.write_text(recipe, RECIPE % values)
    command = [
        sys.executable,
        "-m",
        "acclimate",
        "run",
        str(recipe),
        "--output",
        str(folder / "runs"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise harness.Failed(f"{name}: acclimate run ended with {done.returncode}:\n{done.stderr[-3000:]}")
    metrics = json.loads(done.stdout)
    trained = metrics["pretrain"]
    steps = list(durable.read_lines(Path(metrics["run"]) / "artifacts" / "pretrain" / "steps.jsonl"))
    return {
        "parameters": trained["parameters"],
        "validation": trained["intervals"]["validation"],
        "test": trained["intervals"].get("test"),
        "frequencies": trained["intervals"].get("frequencies"),
        "steps": trained["steps"],
        "tokens": trained["tokens"],
        "seconds": trained["seconds"],
        "tokens_per_second": statistics.median(one["tokens"] / one["seconds"] for one in steps),
        "peak_memory_bytes": metrics["stages"]["pretrain"]["peak_memory_bytes"],
    }


def model_name(name: str) -> str:
    """A run's name as a file may have it."""
    return re.sub(r"[^a-z0-9]+", "-", name)


def row(name: str, found: dict[str, Any]) -> list[object]:
    figures = found["validation"]
    bits = figures.get("bits_per_byte")
    return [
        name,
        f"{found['parameters'] / 1e6:.1f} M",
        f"{figures['loss']['value']:.3f}",
        f"{bits['value']:.3f} [{bits['low']:.3f}, {bits['high']:.3f}]" if bits else "-",
        f"{found['tokens_per_second']:,.0f}",
        f"{found['peak_memory_bytes'] / 1e9:.2f} GB",
    ]


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--tokens", help=f"length of each training ({TOKENS}; short: {SHORT_TOKENS})")
    parser.add_argument(
        "--only", nargs="+", choices=RUNS, metavar="RUN", help="some of the runs, by their names"
    )
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="runs beside each other (1)")
    options = parser.parse_args()
    durable.new_folder(options.scratch)
    with durable.scratch_folder(options.scratch) as folder:
        names = list(options.only or RUNS)
        with ThreadPoolExecutor(options.at_once) as pool:
            runs = {name: pool.submit(run, name, options, folder) for name in names}
            found = {}
            for name, one in runs.items():
                found[name] = one.result()
                harness.tell("  " + ", ".join(map(str, row(name, found[name]))))
    head = ["family, objective", "parameters", "loss", "bits per byte", "tokens/s", "memory"]
    print(harness.table(head, [row(name, one) for name, one in found.items()]))
    harness.finish(NAME, options, found, {})


if __name__ == "__main__":
    main()
