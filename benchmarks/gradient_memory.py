"""Memory of gradients: a step that uses each up in the backward pass, against the plain step that holds them all.

BERT medium with AdamW and BERT base with SGD, masked language modelling on WikiText-2's lines in fp32, without clipping
by norm, which the fused step (`accumulate_by_layer`) excludes. `gradients` is the most bytes that the parameters'
gradients ever held together, looked at whenever one has come; those of tables of embeddings are held to the end.
`training` is by how much the process's memory grew, at most, over what it was with the model alone: gradients,
optimizer and activations (what building the model left behind is given back first, and Linux's peak begun anew). Both
sides take the same steps from the same weights; `losses` is the largest relative difference between their first ones.
"""

from __future__ import annotations

import argparse
import ctypes
from itertools import islice
from pathlib import Path
from typing import Any

import harness
import mlm
import text
from acclimate.engine.loop import train
from acclimate.engine.state import TrainState
from acclimate.optim.accumulate_by_layer import AccumulateByLayer
from acclimate.optim.adamw import AdamW
from acclimate.optim.sgd import Sgd
from harness import Race, paired, shown, spread, table, tokens_per_second
from machine import peak_memory
from session import Session, Steps

NAME = "gradient_memory"
CASES = (("medium", "adamw"), ("base", "sgd"))
OPTIMIZERS: dict[str, Any] = {"adamw": AdamW(lr=1e-4), "sgd": Sgd(lr=1e-2)}
BATCH, SHORT_BATCH = 16, 2
"""Sequences of a step."""
COMPARED = 3
TURN, SHORT_TURN = 20.0, 2.0


class Held:
    """The most bytes that gradients of a model held at once."""

    def __init__(self, model: Any) -> None:
        self._parameters = list(model.parameters())
        self.peak = 0
        for parameter in self._parameters:
            parameter.register_post_accumulate_grad_hook(self._look)

    def _look(self, parameter: Any) -> None:
        held = sum(one.grad.nbytes for one in self._parameters if one.grad is not None)
        self.peak = max(self.peak, held)


def begun_anew() -> int:
    """Give freed memory back to the system and forget the peak so far; the bytes that are held now."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def candidate(specification: dict[str, Any], session: Session) -> None:
    """As in mlm.py, with `optimizer` and `fused`. The command {"held": true} asks what was held, and first losses."""
    training, state = mlm.prepared(specification)
    model = state.model
    before, held = begun_anew(), Held(model)
    optimizer = OPTIMIZERS[specification["optimizer"]].build(model=model)
    state = TrainState(model, optimizer, [AccumulateByLayer().build()] if specification["fused"] else [])
    records = train(training, state)
    losses = [record.loss for record in islice(records, COMPARED)]
    session.answer(ready=True)
    session.command()
    parameters = sum(one.nbytes for one in model.parameters())
    session.answer(held=held.peak, losses=losses, weights=parameters, before=before)
    steps = Steps(session)
    for record in records:
        steps.step(record.tokens, record.loss)


def raced(options: argparse.Namespace, size: str, optimizer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(findings, rounds) of one case."""
    turn = SHORT_TURN if options.short else TURN
    if options.seconds:
        turn = options.seconds / (options.rounds * 2 * len(CASES))
    specification = {
        "size": size,
        "optimizer": optimizer,
        "precision": "fp32",
        "batch": SHORT_BATCH if options.short else BATCH,
        "seed": 17,
        "peak": 1e-4,
        "warmup": 2,
        "device": "cpu",
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(text.store_folder(options.data, options.scratch, "train")),
    }
    with Race(options.threads) as race:
        for name in ("plain", "fused"):
            race.add(name, NAME, **specification, fused=name == "fused")
        told = {name: answers[0] for name, answers in race.run(1, held=True).items()}
        for worker in race.workers.values():
            worker.wait()
        rounds = race.run(options.rounds, seconds=turn)
    found: dict[str, Any] = {
        name: {
            "gradients": told[name]["held"],
            "training": max(answer["peak_memory"] for answer in answers) - told[name]["before"],
            "tokens_per_second": spread([tokens_per_second(answer) for answer in answers]),
        }
        for name, answers in rounds.items()
    }
    pairs = zip(told["plain"]["losses"], told["fused"]["losses"], strict=True)
    found |= {
        "weights": told["plain"]["weights"],
        "speed": paired(rounds["fused"], rounds["plain"]),
        "losses": max(abs(one - two) / one for one, two in pairs),
    }
    return found, {f"{size} {optimizer} {name}": answers for name, answers in rounds.items()}


def main() -> None:
    options = harness.arguments(__doc__).parse_args()
    findings: dict[str, Any] = {}
    rounds: dict[str, Any] = {}
    for size, optimizer in CASES:
        harness.tell(f"{size}, {optimizer}")
        findings[f"{size} {optimizer}"], more = raced(options, size, optimizer)
        rounds |= more
    rows = [
        [
            f"{case}, {name}",
            f"{found[name]['gradients'] / 2**20:,.0f}",
            f"{found[name]['training'] / 2**20:,.0f}",
            shown(found[name]["tokens_per_second"], 0),
            shown(found["speed"]) if name == "fused" else "1",
        ]
        for case, found in findings.items()
        for name in ("plain", "fused")
    ]
    print(table(["", "gradients MiB", "training MiB", "tokens/s", "speed of plain"], rows))
    harness.finish(NAME, options, findings, rounds)


if __name__ == "__main__":
    main()
