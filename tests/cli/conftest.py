"""Calls of the command as a shell makes them, in this process."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acclimate.cli.main import main
from acclimate.pipeline.run_folder import RunFolder
from acclimate.recipe.loading import load_recipe
from acclimate.recipe.resolving import dump_yaml, resolved


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def acclimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Ended]:
    """Runs `acclimate …` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["acclimate", *arguments])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return Ended(int(code), said.out, said.err)

    return call


RECIPE = """\
name: small
corpus: {sources: [{path: text.txt, documents: line}], split: {validation: 10%, test: 0%}}
tokenizer: {train: {vocab_size: 300}}
model: {family: bert, size: tiny}
pretrain: {length: 2 steps, batch: 256 tokens, sequence_length: 32}
"""
TEXT = "".join(
    f"第{n}行 is a line of text about {n * n} and {'apples' if n % 3 else 'pears'}.\n" for n in range(150)
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small, sound recipe in the current folder."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


METRICS: dict[str, Any] = {
    "name": "small",
    "pretrain": {
        "before": {"bits_per_byte": 3.5, "loss": 8.0},
        "validation": {"bits_per_byte": 2.25, "loss": 5.0},
        "intervals": {
            "before": {"bits_per_byte": {"value": 3.5, "low": 3.4, "high": 3.6}},
            "validation": {"bits_per_byte": {"value": 2.25, "low": 2.2, "high": 2.3}},
        },
        "seconds": 9.0,
    },
    "tasks": {
        "topic": {
            "test": {
                "macro_f1": {"value": 0.8, "low": 0.75, "high": 0.85},
                "auc": {"value": 0.9, "low": 0.8, "high": 1.0},
            },
            "baseline_test": {"macro_f1": {"value": 0.7, "low": 0.65, "high": 0.75}},
            "verdict": {
                "metric": "macro_f1", "with": 0.8, "without": 0.7, "difference": 0.1, "low": 0.05, "high": 0.15,
                "seeds": 3, "statement": "Domain pretraining raised macro-F1 by 0.100.",
            },
        }
    },
}  # fmt: skip


@pytest.fixture
def finished(small: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes run folders as a run leaves them, without the hours."""

    def make(metrics: dict[str, Any] | None = METRICS, **overrides: Any) -> Path:
        recipe = load_recipe(small, [f"{key}={value}" for key, value in overrides.items()]).recipe
        digest = f"{len(list((tmp_path / 'runs').glob('*/*'))):064x}"
        with RunFolder.create_or_resume(tmp_path / "runs", recipe.name, digest) as folder:
            folder.write_recipe(dump_yaml(resolved(recipe)))
            if metrics is not None:
                folder.write_metrics(metrics)
            return folder.path

    return make


@pytest.fixture
def metrics() -> dict[str, Any]:
    """metrics.json of a finished run."""
    return copy.deepcopy(METRICS)
