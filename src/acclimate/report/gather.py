"""What a run folder holds, read as plain JSON; what a run did not make is simply absent."""

from __future__ import annotations

import json
import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from acclimate.artifacts.line_log import read_lines
from acclimate.errors import UserError
from acclimate.report.numbers import number

STEP_FIELDS = ("loss", "lr", "gradient_norm", "layers")
VALIDATION_FIELDS = ("loss", "bits_per_byte")


@dataclass(frozen=True)
class Log:
    """Columns over steps, ascending; where a resumed run wrote a step twice the later record counts."""

    step: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]
    """Name → [N], NaN where a record has no such number."""

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True)
class Training:
    """The log of one training."""

    steps: Log
    validations: Log


@dataclass(frozen=True)
class TaskRecord:
    """What is known of one task."""

    name: str
    evaluation: dict[str, Any]
    examples: dict[str, Any] | None
    trainings: dict[tuple[str, str], Training]
    """(with or without, seed) → its log."""
    augmented: dict[str, Any] | None = None
    """What making more training examples made."""
    opened: str | None = None
    """When this run opened the independent test."""


@dataclass(frozen=True)
class RunRecord:
    """A run folder's content."""

    folder: Path
    recipe_text: str
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    corpus: dict[str, Any] | None
    dropped: list[dict[str, Any]]
    tokenizer: dict[str, Any] | None
    """{"algorithm", "vocab_size"} of the tokenizer."""
    tokens: dict[str, Any] | None
    figures: dict[str, Any] | None
    pretrain: Training
    tasks: list[TaskRecord]
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Stage → manifest."""
    model_config: dict[str, Any] | None = None
    warnings: list[tuple[str, str]] = field(default_factory=list)
    """(stage, message), each once, in the order they were told."""


def read_json(path: Path) -> Any:
    """The file's value; None when there is no such file. Raises UserError for what is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: not valid JSON ({error}); the run's report cannot be made from it"
        ) from None


class LogBuilder:
    """Collects records' numbers in a few bytes each: a run may have hundreds of thousands of steps."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._values = {name: array("d") for name in ("step", *names)}

    def add(self, record: dict[str, Any]) -> None:
        for name, values in self._values.items():
            values.append(number(record.get(name)))

    def log(self) -> Log:
        """Ascending by step; only names that any record has, no records without a step."""
        columns = {name: np.asarray(values, dtype=np.float64) for name, values in self._values.items()}
        step = columns.pop("step")
        # The last record of each step is the first one in reverse order.
        _, reverse = np.unique(step[::-1], return_index=True)
        kept = len(step) - 1 - reverse
        kept = kept[np.isfinite(step[kept])]
        found = {name: values[kept] for name, values in columns.items()}
        return Log(step[kept], {name: values for name, values in found.items() if np.isfinite(values).any()})


FIELDS = {"step": STEP_FIELDS, "validation": VALIDATION_FIELDS}
FILES = {"step": "steps.jsonl", "validation": "validation.jsonl"}


def _logs(folder: Path, stages: list[str]) -> dict[str, Training]:
    """Stage → its log: the artifact's own, or what the run's events tell of a stage that keeps none."""
    builders: dict[tuple[str, str], LogBuilder] = {}
    for stage in stages:
        for kind, name in FILES.items():
            path = folder / "artifacts" / stage / name
            if path.is_file():
                builder = builders[stage, kind] = LogBuilder(FIELDS[kind])
                for record in read_lines(path):
                    builder.add(record)
    own = set(builders)
    for record in read_lines(folder / "events.jsonl"):
        key = (str(record.get("stage")), str(record.get("kind")))
        if key[1] in FIELDS and key not in own:
            builders.setdefault(key, LogBuilder(FIELDS[key[1]])).add(record)
    logs = {key: builder.log() for key, builder in builders.items()}
    nothing = LogBuilder(()).log()
    return {
        stage: Training(logs.get((stage, "step"), nothing), logs.get((stage, "validation"), nothing))
        for stage in {"pretrain", *stages, *(stage for stage, _ in logs)}
    }


def _warnings(folder: Path) -> list[tuple[str, str]]:
    told = (
        (str(event.get("stage")), str(event.get("message")))
        for event in read_lines(folder / "events.jsonl")
        if event.get("kind") == "warning"
    )
    return list(dict.fromkeys(told))


def _recipe(folder: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = (folder / "recipe.resolved.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", {}
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UserError(f"{folder / 'recipe.resolved.yaml'}: not valid YAML ({error})") from None
    return text, value if isinstance(value, dict) else {}


def _tokenizer(folder: Path) -> dict[str, Any] | None:
    value = read_json(folder / "tokenizer.json")
    if not isinstance(value, dict):
        return None
    model = value.get("model", {})
    added = {token.get("content") for token in value.get("added_tokens", [])}
    vocabulary = model.get("vocab", {})
    # A Unigram vocabulary is a list of [piece, score].
    words = set(vocabulary) if isinstance(vocabulary, dict) else {piece for piece, _ in vocabulary}
    return {"algorithm": model.get("type"), "vocab_size": len(words | added)}


def _tasks(folder: Path, stages: list[str], names: list[str], logs: dict[str, Training]) -> list[TaskRecord]:
    """The tasks that were evaluated, in the recipe's order."""
    opened = {
        str(event.get("stage")): str(event.get("time"))
        for event in read_lines(folder / "events.jsonl")
        if event.get("kind") == "independent_test"
    }
    done = [stage.removeprefix("evaluation-") for stage in stages if stage.startswith("evaluation-")]
    tasks = []
    for name in sorted(done, key=lambda one: (names.index(one) if one in names else len(names), one)):
        evaluation = read_json(folder / "artifacts" / f"evaluation-{name}" / "evaluation.json")
        if evaluation is None:
            continue
        trainings = {}
        for stage in stages:
            # The whole name has to fit: another task may be called `topic-with`.
            match = re.fullmatch(rf"task-{re.escape(name)}-(with|without)-(\d+)", stage)
            if match:
                trainings[match[1], match[2]] = logs[stage]
        examples = read_json(folder / "artifacts" / f"examples-{name}" / "statistics.json")
        grown = read_json(folder / "artifacts" / f"augmented-{name}" / "statistics.json") or {}
        tasks.append(
            TaskRecord(
                name,
                evaluation,
                examples,
                trainings,
                grown.get("augmented"),
                opened.get(f"evaluation-{name}"),
            )
        )
    return tasks


def read_run(folder: Path) -> RunRecord:
    """Everything the report shows. Raises UserError when the folder is no run folder or a file in it is broken."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such run folder")
    recipe_text, recipe = _recipe(folder)
    metrics = read_json(folder / "metrics.json")
    if metrics is None and not recipe_text:
        raise UserError(
            f"{folder}: neither metrics.json nor recipe.resolved.yaml is there; is this a run folder?"
        )
    artifacts = folder / "artifacts"
    stages = sorted(one.name for one in artifacts.iterdir() if one.is_dir()) if artifacts.is_dir() else []
    manifests = {stage: read_json(artifacts / stage / "manifest.json") for stage in stages}
    logs = _logs(folder, stages)
    return RunRecord(
        folder=folder,
        recipe_text=recipe_text,
        recipe=recipe,
        metrics=metrics or {},
        corpus=read_json(artifacts / "corpus" / "statistics.json"),
        dropped=list(read_lines(artifacts / "corpus" / "dropped.jsonl")),
        tokenizer=_tokenizer(artifacts / "tokenizer"),
        tokens=read_json(artifacts / "tokens" / "counts.json"),
        figures=read_json(artifacts / "figures" / "figures.json"),
        pretrain=logs["pretrain"],
        tasks=_tasks(folder, stages, list(recipe.get("tasks") or {}), logs),
        manifests={stage: manifest for stage, manifest in manifests.items() if manifest},
        model_config=read_json(folder / "model" / "config.json"),
        warnings=_warnings(folder),
    )
