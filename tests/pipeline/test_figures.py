"""From the stages' results to metrics.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acclimate.artifacts.durable import write_json
from acclimate.artifacts.store import Artifact, Store
from acclimate.pipeline.figures import run_metrics
from acclimate.recipe.loading import load_recipe


def moment(value: float) -> dict[str, dict[str, float]]:
    interval = {"value": value, "low": value - 1, "high": value + 1}
    return dict.fromkeys(("loss", "perplexity", "bits_per_byte"), interval)


OUTCOME = {
    "steps": 9, "tokens": 900, "epochs": 1.5, "seconds": 2.0, "parameters": 44, "precision": "fp32", "device": "cpu",
    "best_step": None,
}  # fmt: skip
EVALUATION: dict[str, Any] = {
    "metric": "macro_f1",
    "test": {"macro_f1": {"value": 0.5, "low": 0.4, "high": 0.6}},
    "baseline_test": None,
    "verdict": None,
    "delivered": "task-topic-with-1",
    "confusion": [[1, 2], [3, 4]],
}


@pytest.fixture
def artifacts(tmp_path: Path) -> dict[str, Artifact]:
    """Artifacts of a run without a test split."""
    store = Store(tmp_path / "store")
    contents = {
        "figures": (
            "figures.json",
            {
                **OUTCOME,
                "before": moment(4.0),
                "after": moment(2.0),
                "test": None,
                "frequencies": moment(3.0),
            },
        ),
        "evaluation-topic": ("evaluation.json", EVALUATION),
    }
    return {
        stage: store.write(
            stage,
            "key",
            settings={},
            inputs={},
            versions={},
            fill=lambda folder, name=name, content=content: write_json(folder / name, content),
        )
        for stage, (name, content) in contents.items()
    }


def test_metrics_have_plain_values_and_their_intervals_beside(artifacts, make_project, tmp_path) -> None:
    recipe = load_recipe(make_project(tmp_path / "project") / "recipe.yaml").recipe
    metrics = run_metrics(recipe, artifacts)
    assert (metrics["name"], metrics["seed"]) == ("tiny", 3)
    pretrain = metrics["pretrain"]
    assert pretrain["validation"] == {"loss": 2.0, "perplexity": 2.0, "bits_per_byte": 2.0}
    assert pretrain["before"]["loss"] == 4.0 and "test" not in pretrain
    assert pretrain["intervals"] == {
        "validation": moment(2.0),
        "before": moment(4.0),
        "frequencies": moment(3.0),
    }
    assert {"steps", "tokens", "epochs", "seconds", "parameters", "precision"} <= pretrain.keys()
    assert metrics["tasks"] == {"topic": {key: EVALUATION[key] for key in EVALUATION if key != "confusion"}}


def test_a_run_without_pretraining_has_no_such_part(artifacts, make_project, tmp_path) -> None:
    recipe = load_recipe(
        make_project(tmp_path / "project") / "recipe.yaml", ["pretrain=null", "tasks={}"]
    ).recipe
    del artifacts["figures"]
    assert run_metrics(recipe, artifacts) == {"name": "tiny", "seed": 3, "tasks": {}}
