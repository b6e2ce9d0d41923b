"""Time to quality: how long a mini BERT takes to reach the validation loss that the Trainer ends its budget with.

The Trainer gets its fastest setting (bf16 autocast, batches of similar lengths, tuned allocator) and trains for the
whole budget, 20 minutes in the full form. Its last validation loss is the target. Then the engine (bf16) is given
shares of that budget, from the smallest up, until one reaches the target: that share is the finding.

Both sides: same initial weights, WikiText-2 in batches of 32 lines, AdamW with the same peak rate, which climbs over
the first 6 % of the side's own budget and falls linearly to nothing at its end. Time is training time by wall clock;
start-up and validations stand outside it. Both are validated by the same code in fp32, on the same text under the same
masks.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import torch
import transformers

import harness
import text
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, train
from acclimate.engine.measure import measure
from acclimate.engine.state import TrainState
from acclimate.objectives.mlm import Mlm
from acclimate.optim.adamw import AdamW
from acclimate.optim.clip_norm import ClipNorm
from acclimate.pipeline.setup_torch import prepare
from acclimate.recipe.sections import Hardware
from acclimate.recipe.units import Length
from acclimate.tokenizer.loading import load_tokenizer
from harness import Race, table
from mlm import DECAY, NORM, Lines, built, drawn, plain_model, training_arguments
from session import Session

NAME = "time_to_quality"
PEAK, WARMUP, BATCH, SEED = 1e-3, 0.06, 32, 17
LOOKS, SHORT_LOOKS = 10, 5
"""Validations in a training, the last one at its end."""
MOST, SHORT_MOST = 60_000, 15_000
"""Tokens of the validation text; always the same part."""
SHARES, SHORT_SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0), (0.2, 0.5, 1.0)


def factor(way: float) -> float:
    """Of the peak rate, at a share of the way."""
    return way / WARMUP if way < WARMUP else max(0.0, (1 - way) / (1 - WARMUP))


class Watch:
    """Training time, and the validations that it is not running during."""

    def __init__(self, specification: dict[str, Any], budget: float) -> None:
        self._looks, self._most = specification["looks"], Length(specification["most"], "tokens")
        self.tokenizer = load_tokenizer(specification["tokenizer"])
        self.budget = budget
        self.tokens = 0
        self.curve: list[tuple[float, int, float]] = []
        """(seconds, real tokens, validation loss)"""
        self._model = built(specification, self.tokenizer)
        self._store = text.windows(Path(specification["validation"]), self.tokenizer)
        self._objective = Mlm().build(tokenizer=self.tokenizer, seed=SEED, fixed=True)

    def looked(self, spent: float, model: Any) -> bool:
        """Validate when it is time to; whether that was the last one."""
        if spent < self.budget * (len(self.curve) + 1) / self._looks:
            return False
        self._model.load_state_dict(model.state_dict())
        batch = Length(8192, "tokens")
        measured = measure(self._model, self._objective, self._store, batch=batch, most=self._most)
        self.curve.append((spent, self.tokens, measured.loss))
        return spent >= self.budget


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: side, size, seed, looks, most (tokens), tokenizer, store, validation (folders), threads."""
    if specification["side"] == "engine":
        prepare(Hardware(threads=specification["threads"], precision="bf16", device="cpu"))
    else:
        transformers.logging.set_verbosity_error()
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    train_side = {"engine": engine, "trainer": trainer}[specification["side"]]
    session.answer(ready=True)
    while True:
        watch = Watch(specification, session.command()["budget"])
        train_side(specification, watch)
        session.answer(curve=watch.curve)


def engine(specification: dict[str, Any], watch: Watch) -> None:
    """`acclimate.engine.loop.train`."""
    model = built(specification, watch.tokenizer)
    state = TrainState(
        model, AdamW(lr=PEAK, weight_decay=DECAY).build(model=model), [ClipNorm(max_norm=NORM).build()]
    )
    store = text.windows(Path(specification["store"]), watch.tokenizer)
    training = Training(
        objective=Mlm().build(tokenizer=watch.tokenizer, seed=SEED),
        feed=Feed(store, batch=Length(BATCH, "sequences"), seed=SEED),
        schedule=lambda progress: factor(progress.seconds / watch.budget),
        length=Length(watch.budget, "seconds"),
        seed=SEED,
        precision="bf16",
    )
    for record in train(training, state):
        watch.tokens += record.tokens
        watch.looked(state.progress.seconds, model)


class Timed(transformers.Trainer):
    """The Trainer with a learning rate that follows its training time."""

    watch: Watch
    began: float
    paused = 0.0

    def spent(self) -> float:
        return time.perf_counter() - self.began - self.paused

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.began = time.perf_counter()
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or self.optimizer, lambda step: factor(self.spent() / self.watch.budget)
        )
        return self.lr_scheduler


class Looks(transformers.TrainerCallback):
    """Validates between steps, and ends the training with its budget."""

    def __init__(self) -> None:
        self.loop: Timed | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        assert self.loop is not None
        spent = self.loop.spent()
        stopped = time.perf_counter()
        control.should_training_stop = self.loop.watch.looked(spent, self.loop.model)
        self.loop.paused += time.perf_counter() - stopped


def trainer(specification: dict[str, Any], watch: Watch) -> None:
    """Transformers' Trainer."""
    store = text.windows(Path(specification["store"]), watch.tokenizer)
    collator = transformers.DataCollatorForLanguageModeling(watch.tokenizer, mlm_probability=0.15)

    def collate(features: list[dict[str, list[int]]]) -> Any:
        watch.tokens += sum(len(feature["input_ids"]) for feature in features)
        return collator(features)

    looks = Looks()
    loop = Timed(
        model=plain_model(specification, watch.tokenizer),
        args=training_arguments(
            {**specification, "batch": BATCH, "peak": PEAK, "precision": "bf16", "device": "cpu"},
            max_steps=10**7,
            train_sampling_strategy="group_by_length",
        ),
        train_dataset=Lines(store, drawn(store.lengths, SEED)),
        data_collator=collate,
        callbacks=[looks],
    )
    looks.loop, loop.watch = loop, watch
    loop.train()


def reached(curve: list[list[float]], target: float) -> float | None:
    """Seconds until the loss was at the target or below; None when it never was."""
    return next((seconds for seconds, _, loss in curve if loss <= target), None)


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--minutes", type=float, metavar="M", help="the Trainer's budget (20; short: 0.25)")
    parser.add_argument("--size", default="mini", help="of BERT (mini)")
    options = parser.parse_args()
    if options.minutes is None:
        options.minutes = options.seconds / 60 if options.seconds else 0.25 if options.short else 20.0
    budget = 60 * options.minutes
    with Race(options.threads) as race:
        answers, curves = raced(options, race, budget)
    target = curves["Trainer bf16"][-1][2]
    rows = [
        [name, f"{seconds:,.1f}", f"{int(tokens):,}", f"{loss:.4f}"]
        for name, curve in curves.items()
        for seconds, tokens, loss in (curve[len(curve) // 2], curve[-1])
    ]
    print(f"\nBERT {options.size}, peak rate {PEAK}, half way and at the end")
    print(table(["", "seconds", "real tokens", "validation loss"], rows))
    times = {name: reached(curve, target) for name, curve in curves.items() if name != "Trainer bf16"}
    found = [seconds for seconds in times.values() if seconds is not None]
    share = min(found) / curves["Trainer bf16"][-1][0] if found else None
    told = f"{share:.1%} of the Trainer's time ({1 / share:.1f} times sooner)" if share else "never"
    print(f"the engine reaches the Trainer's last loss, {target:.4f}, after {told}")
    harness.finish(
        NAME, options, {"target": target, "share": share, "seconds": times, "curves": curves}, answers
    )


def raced(options: argparse.Namespace, race: Race, budget: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """(answers, curves): the Trainer's budget, then the engine's shares of it until one suffices."""
    common = {
        "size": options.size,
        "seed": SEED,
        "looks": SHORT_LOOKS if options.short else LOOKS,
        "most": SHORT_MOST if options.short else MOST,
        "tokenizer": str(text.tokenizer_folder(options.data, options.scratch)),
        "store": str(text.store_folder(options.data, options.scratch, "train")),
        "validation": str(text.store_folder(options.data, options.scratch, "validation")),
    }
    race.add("Trainer bf16", NAME, environment=harness.TUNED, side="trainer", **common)
    race.add("engine bf16", NAME, side="engine", **common)
    answers = {"Trainer bf16": [race.workers["Trainer bf16"].ask(budget=budget)]}
    target = answers["Trainer bf16"][0]["curve"][-1][2]
    harness.tell(f"  the target is {target:.4f}")
    for share in SHORT_SHARES if options.short else SHARES:
        name = f"engine bf16, {share:.0%} of the budget"
        answers[name] = [race.workers["engine bf16"].ask(budget=share * budget)]
        harness.tell(f"  {name}: {answers[name][0]['curve'][-1][2]:.4f}")
        if reached(answers[name][0]["curve"], target) is not None:
            break
    return answers, {name: answer[0]["curve"] for name, answer in answers.items()}


if __name__ == "__main__":
    main()
