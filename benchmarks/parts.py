"""What each part of the fast path is worth: training with everything, and with one part taken away at a time.

BERT's masked language modelling, bf16, natural lines. Without `nothing` it is the engine as it is; the others put the
plain twin in the place of one part. A part whose absence slows nothing down does not earn its place.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any

import harness
import mlm
import text
from acclimate.engine import loop
from acclimate.kernels import before_torch
from acclimate.models import forward, packed_attention, quick_modules
from acclimate.optim import quick_adamw
from harness import Race, paired, shown, spread, table, tokens_per_second
from session import Session

NAME = "parts"


class Absent:
    """In the place of `kernels.native` where kernels could not be built."""

    @staticmethod
    def available() -> bool:
        return False

    @staticmethod
    def takes(x: Any) -> bool:
        return False


PARTS: dict[str, list[tuple[Any, str, Any]]] = {
    "attention in one kernel": [(packed_attention, "native", Absent)],
    "fused linear layers, norms, dropout": [(quick_modules, "_KNOWN", {})],
    "vocabulary loss in one": [(forward, "native", Absent)],
    "AdamW in one pass": [(quick_adamw, "native", Absent)],
    "row gradients": [(loop, "collected", nullcontext)],
    "memory kept": [(before_torch, "keep_memory", bool)],
}
"""Part → which names take the plain twin."""


def candidate(specification: dict[str, Any], session: Session) -> None:
    """As in mlm.py; `without` names the part that is taken away."""
    for module, name, twin in PARTS.get(specification["without"], []):
        assert hasattr(module, name)
        setattr(module, name, twin)
    mlm.engine(specification, session)


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "mini"], help="of BERT (tiny mini)")
    options = parser.parse_args()
    findings: dict[str, Any] = {}
    rounds: dict[str, Any] = {}
    for size in options.sizes[:1] if options.short else options.sizes:
        findings[size], answers = measured(options, size)
        rounds |= {f"{size}, {name}": answer for name, answer in answers.items()}
        rows = [
            (name, shown(one["tokens_per_second"], 0), shown(one["all_to_it"]))
            for name, one in findings[size].items()
        ]
        print(f"\nBERT {size}\n" + table(["without", "tokens/s", "all ÷ it"], rows))
    harness.finish(NAME, options, findings, rounds)


def measured(options: argparse.Namespace, size: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(findings, rounds) of one size."""
    shared = {
        "side": "engine",
        "size": size,
        "precision": "bf16",
        "batch": 32,
        "seed": 17,
        "peak": 1e-4,
        "warmup": 20,
        "device": "cpu",
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(text.store_folder(options.data, options.scratch, "train")),
    }
    with Race(options.threads) as race:
        race.add("nothing", NAME, without="", **shared)
        for part in PARTS:
            race.add(part, NAME, without=part, **shared)
        race.add("any of them", NAME, without="", environment={"ACCLIMATE_FAST": "0"}, **shared)
        answers = race.run(options.rounds, seconds=1.0 if options.short else 3.0)
    findings = {
        name: {
            "tokens_per_second": spread([tokens_per_second(one) for one in own]),
            "all_to_it": paired(answers["nothing"], own),
        }
        for name, own in answers.items()
    }
    return findings, answers


if __name__ == "__main__":
    main()
