"""What rounding costs: accuracy of a really fine-tuned BERT mini in fp32, bf16 and int8, ours and ONNX Runtime's.

    python benchmarks/int8_accuracy.py [--short]

The model is fine-tuned here, by `acclimate.transfer.tuning`, on SST-2's training texts, and judged on its 2,693
labelled sentences. The program fails where int8 loses more than half a point.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import text
from acclimate.artifacts import durable
from acclimate.pipeline.setup_torch import prepare
from acclimate.recipe.sections import Hardware
from acclimate.tokenizer.loading import load_tokenizer
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.classes.classifying import Classifying
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.tuning import Around, tune
from harness import Race, arguments, finish, table, tell
from inference import fresh_classifier, onnx_folder, sentences, texts_file

ACCEPTED = 0.5
"""Points of accuracy that int8 may lose."""
VALIDATION = 500


def tuned_folder(data: Path, scratch: Path, threads: int, examples: int) -> Path:
    """The fine-tuned model and its tokenizer, made where it is missing."""
    source = text.tokenizer_folder(data, scratch)
    folder = scratch / f"tuned-{examples}-{source.name.removeprefix('tokenizer-')}"
    if not folder.is_dir():
        tell(f"fine-tuning on {examples:,} texts")
        durable.replace_folder(folder, lambda draft: _tune(data, source, threads, examples, draft))
    return folder


def _tune(data: Path, source: Path, threads: int, examples: int, folder: Path) -> None:
    machine = prepare(Hardware(threads=threads))
    tokenizer = load_tokenizer(source)
    model = fresh_classifier("mini", tokenizer)
    known = text.sst2(data, "train")
    parts = known.first(examples), text.Labelled(known.texts[-VALIDATION:], known.labels[-VALIDATION:])
    task = Classification.model_validate(
        {
            **{part: str(data / text.FILES["sst2"][part]) for part in ("train", "test")},
            "length": "1 epochs",
            "batch": "32 sequences",
            "optimizer": {"adamw": {"lr": 2e-4}},
        }
    )
    at_work = Classifying(tokenizer, num_classes=2, sequence_length=task.sequence_length)
    train, validation = (
        Examples([str(n) for n in range(len(one.texts))], one.texts, None, one.labels) for one in parts
    )
    around = Around(machine.precision, machine.device)
    lessons = at_work.lesson(train, train), at_work.lesson(validation, train)
    tune(task, model, *lessons, seed=17, around=around)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    options = arguments(__doc__).parse_args()
    judged = sentences(options.data)
    model = tuned_folder(options.data, options.scratch, options.threads, 6_000 if options.short else 30_000)
    common = {"texts": str(texts_file(options.data, options.scratch)), "model": str(model)}
    answers: dict[str, Any] = {}
    with Race(options.threads) as race, durable.scratch_folder(options.scratch) as folder:
        race.add("pipeline fp32", "inference", side="pipeline", precision="fp32", **common)
        for precision in ("fp32", "int8"):
            onnx = str(onnx_folder(model, precision))
            race.add(
                f"ONNX Runtime {precision}",
                "inference",
                side="onnx",
                precision=precision,
                onnx=onnx,
                **common,
            )
        for precision in ("fp32", "bf16", "int8"):
            race.add(f"acclimate {precision}", "inference", side="engine", precision=precision, **common)
        for number, (name, worker) in enumerate(race.workers.items()):
            worker.ask(answers=len(judged.texts), batch=32, to=str(folder / f"{number}.npy"))
            answers[name] = np.load(folder / f"{number}.npy")
    plain = answers["pipeline fp32"].argmax(1)
    right = {name: found.argmax(1) == judged.labels for name, found in answers.items()}
    whole = float(right["pipeline fp32"].mean()) * 100
    findings = {
        name: {
            "accuracy": float(hits.mean()) * 100,
            "points_lost": whole - float(hits.mean()) * 100,
            "labels_changed": int((answers[name].argmax(1) != plain).sum()),
        }
        for name, hits in right.items()
    }
    rows = [
        [name, f"{one['accuracy']:.2f} %", f"{one['points_lost']:+.2f}", one["labels_changed"]]
        for name, one in findings.items()
    ]
    print(table((f"{len(judged.texts):,} sentences", "accuracy", "points lost", "labels changed"), rows))
    lost = {name: one["points_lost"] for name, one in findings.items() if one["points_lost"] > ACCEPTED}
    findings["accepted_points"] = ACCEPTED
    findings["sentences"] = len(judged.texts)
    finish("int8_accuracy", options, findings, {})
    if lost:
        sys.exit(f"more than {ACCEPTED} points lost: {lost}")


if __name__ == "__main__":
    main()
