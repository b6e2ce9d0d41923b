"""Fine-tuning a mini BERT on short texts from end to end: this package against the Trainer of Transformers.

English sentences with two classes (SST-2) and Chinese news titles with ten (THUCNews). One round of a candidate is a
whole fine-tuning: tokenisation, the same epochs over the same examples in batches of 32, a validation after each, and
scores of the test. Timed is all of that by wall time; building the model is not. Both sides start from the same random
weights, which are others in every round, and have AdamW, linear decay after 10 % of warm-up and dropout 0.1 in common.

The Trainer pads each batch to its longest text; `grouped` is its `group_by_length`; `tuned` has the allocator settings
that this package gives its own process.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import harness
import text
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.pipeline.setup_torch import prepare
from acclimate.recipe.sections import Hardware
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.tuning import Around, tune
from harness import Race, paired, shown, spread, table
from machine import Clock
from mlm import DECAY, NORM, training_arguments
from session import Session

NAME = "finetuning_vs_trainer"
BATCH, PEAK, WARMUP = 32, 5e-4, 0.1
VALIDATION = 500
"""Examples at most; no more than half of those trained on."""
OURS, PLAIN = "engine bf16", "engine fp32"
CANDIDATES: dict[str, dict[str, Any]] = {
    **{
        " ".join(filter(None, ("Trainer", precision, order, allocator))): {
            "side": "trainer",
            "precision": precision,
            "grouped": order == "grouped",
            "allocator": allocator,
        }
        for allocator in ("", "tuned")
        for precision, order in (("fp32", ""), ("bf16", ""), ("bf16", "grouped"))
    },
    **{name: {"side": "engine", "precision": name[-4:]} for name in (PLAIN, OURS)},
}
SHORT = ("Trainer bf16 grouped tuned", OURS)


class Job:
    """What every candidate is given: the examples in three parts, and the model to start from."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self.specification = specification
        data, task = Path(specification["data"]), text.TASKS[specification["task"]]
        known, test = task(data, "train"), task(data, "test").first(specification["test"])
        size = specification["examples"]
        self.train = known.first(size)
        end = size + min(VALIDATION, size // 2)
        self.validation = text.Labelled(known.texts[size:end], known.labels[size:end])
        self.test = test
        self.names = tuple(str(label) for label in sorted(set(known.labels.tolist())))
        self.tokenizer = load_tokenizer(specification["tokenizer"])

    def model(self, seed: int) -> Any:
        vocabulary = Vocabulary(text.VOCABULARY, int(self.tokenizer.pad_token_id))
        return Bert(size="mini").build(
            vocabulary=vocabulary, seed=seed, kind="classification", labels=Labels(self.names)
        )

    def answer(self, session: Session, began: Clock, scores: Any) -> None:
        """Stop the clock, and say how many test examples were told right."""
        times = Clock.now().since(began)
        right = float((np.asarray(scores).argmax(1) == self.test.labels).mean())
        session.answer(**times, accuracy=right, examples=len(self.train.texts) * self.specification["epochs"])


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: side, precision, task, examples, epochs, test (examples), data, tokenizer, threads; grouped."""
    job = Job(specification)
    side = {"engine": engine, "trainer": trainer}[specification["side"]]
    side(job, session)


def engine(job: Job, session: Session) -> None:
    """`acclimate.transfer.tuning`, set up as the fine-tuning stage sets it up."""
    specification = job.specification
    machine = prepare(Hardware(threads=specification["threads"], precision=specification["precision"]))
    files = {
        name: str(Path(specification["data"]) / file)
        for name, file in text.FILES[specification["task"]].items()
    }
    task = Classification.model_validate(
        {
            **files,
            "length": f"{specification['epochs']} epochs",
            "batch": f"{BATCH} sequences",
            "optimizer": {"adamw": {"lr": PEAK, "weight_decay": DECAY}},
            "schedule": {"linear": {"warmup": WARMUP}},
            "gradients": [{"clip_norm": NORM}],
            "patience": None,
        }
    )

    def examples(part: text.Labelled) -> Examples:
        return Examples([str(number) for number in range(len(part.texts))], part.texts, None, part.labels)

    train, validation, test = (examples(part) for part in (job.train, job.validation, job.test))
    session.answer(ready=True)
    while True:
        seed = session.command()["seed"]
        model = job.model(seed)
        began = Clock.now()
        at_work = Classifying(job.tokenizer, num_classes=len(job.names), sequence_length=task.sequence_length)
        around = Around(machine.precision, machine.device)
        lessons = at_work.lesson(train, train), at_work.lesson(validation, train)
        tune(task, model, *lessons, seed=seed, around=around)
        told = at_work.answers(model, test, precision=machine.precision, device=machine.device)
        job.answer(session, began, told["scores"])


class Encoded(torch.utils.data.Dataset):
    """Tokenized examples as the Trainer wants them."""

    def __init__(self, tokenizer: Any, part: text.Labelled) -> None:
        self._rows = tokenizer(
            part.texts, truncation=True, max_length=text.LENGTH, return_token_type_ids=False
        )
        self._labels = part.labels.tolist()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {**{key: row[number] for key, row in self._rows.items()}, "labels": self._labels[number]}


def trainer(job: Job, session: Session) -> None:
    """Transformers' Trainer with dynamic padding."""
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    specification = job.specification
    session.answer(ready=True)
    while True:
        seed = session.command()["seed"]
        ours = job.model(seed)
        config = transformers.BertConfig(**ours.config.to_dict())
        config._attn_implementation = "sdpa"
        model = transformers.BertForSequenceClassification(config)
        model.load_state_dict(ours.state_dict())
        began = Clock.now()
        train, validation, test = (
            Encoded(job.tokenizer, part) for part in (job.train, job.validation, job.test)
        )
        loop = transformers.Trainer(
            model=model,
            args=training_arguments(
                {**specification, "batch": BATCH, "peak": PEAK, "seed": seed, "device": "cpu"},
                num_train_epochs=specification["epochs"],
                lr_scheduler_type="linear",
                warmup_steps=WARMUP,
                eval_strategy="epoch",
                per_device_eval_batch_size=64,
                train_sampling_strategy="group_by_length" if specification["grouped"] else "random",
            ),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=transformers.DataCollatorWithPadding(job.tokenizer),
        )
        loop.train()
        job.answer(session, began, loop.predict(test).predictions)


def speed(figures: Any) -> float:
    """Examples a second, from end to end."""
    return figures["examples"] / figures["seconds"]


def compared(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Each candidate's wall time, accuracy and memory, and how much faster the engine is."""
    return {
        name: {
            "seconds": spread([answer["seconds"] for answer in answers]),
            "accuracy": spread([answer["accuracy"] for answer in answers]),
            "accuracy_mean": float(np.mean([answer["accuracy"] for answer in answers])),
            "peak_memory": max(answer["peak_memory"] for answer in answers),
            "ratio_of": {
                ours: paired(rounds[ours], answers, speed)
                for ours in (OURS, PLAIN)
                if ours in rounds and ours != name
            },
        }
        for name, answers in rounds.items()
    }


def run(options: argparse.Namespace, task: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(findings, rounds) of one task."""
    names = [name for name in CANDIDATES if not options.short or name in SHORT]
    with Race(options.threads) as race:
        for name in names:
            specification = dict(CANDIDATES[name])
            tuned = harness.TUNED if specification.pop("allocator", "") == "tuned" else {}
            race.add(
                name,
                NAME,
                environment=tuned,
                **specification,
                task=task,
                examples=options.examples,
                epochs=options.epochs,
                test=options.test,
                data=str(options.data),
                tokenizer=str(text.tokenizer_folder(options.data, options.scratch)),
            )
        for seed in range(options.rounds):
            race.turn(seed=seed)
        return compared(race.results), race.results


def parsed() -> argparse.Namespace:
    parser = harness.arguments(__doc__)
    parser.add_argument(
        "--tasks", nargs="+", choices=list(text.TASKS), help="which texts (both; short: titles)"
    )
    parser.add_argument("--examples", type=int, metavar="N", help="to train on (4000; short: 640)")
    parser.add_argument("--epochs", type=int, metavar="N", help="over them (3; short: 1)")
    parser.add_argument("--test", type=int, metavar="N", help="test examples at most (2000; short: 300)")
    options = parser.parse_args()
    options.tasks = options.tasks or (["titles"] if options.short else list(text.TASKS))
    for name, full, short in (("examples", 4000, 640), ("epochs", 3, 1), ("test", 2000, 300)):
        if getattr(options, name) is None:
            setattr(options, name, short if options.short else full)
    return options


def main() -> None:
    options = parsed()
    findings: dict[str, Any] = {}
    rounds: dict[str, Any] = {}
    for task in options.tasks:
        harness.tell(task)
        findings[task], race = run(options, task)
        rounds |= {f"{task}: {name}": answers for name, answers in race.items()}
        rows = [
            [
                name,
                shown(figures["seconds"], 1),
                shown(figures["accuracy"], 3),
                f"{figures['peak_memory'] / 1e9:.2f}",
                *(
                    shown(figures["ratio_of"][ours]) if ours in figures["ratio_of"] else ""
                    for ours in (OURS, PLAIN)
                ),
            ]
            for name, figures in findings[task].items()
        ]
        print(f"\n{task}, mini BERT, {options.examples} examples, {options.epochs} epochs")
        print(table(["", "seconds", "accuracy", "peak GB", f"{OURS} faster", f"{PLAIN} faster"], rows))
    harness.finish(NAME, options, findings, rounds)


if __name__ == "__main__":
    main()
