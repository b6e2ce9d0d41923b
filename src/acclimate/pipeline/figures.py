"""The run's metrics: one JSON object that programs may rely on."""

from __future__ import annotations

from typing import Any

from acclimate.artifacts.store import Artifact
from acclimate.pipeline.language_figures import FIGURES
from acclimate.pipeline.other_texts import FIGURES as TEXT_FIGURES
from acclimate.pipeline.other_texts import OTHER_TEXTS
from acclimate.pipeline.tasks import EVALUATION
from acclimate.pipeline.tokens import read_json
from acclimate.pipeline.translations import FIGURES as TRANSLATION_FIGURES
from acclimate.pipeline.translations import TRANSLATIONS
from acclimate.pipeline.vocabulary import GAIN
from acclimate.recipe.sections import Recipe


def run_metrics(recipe: Recipe, artifacts: dict[str, Artifact]) -> dict[str, Any]:
    """`vocabulary` (where it was adapted), `pretrain` and `tasks` of metrics.json."""
    metrics: dict[str, Any] = {"name": recipe.name, "seed": recipe.seed}
    if "gain" in artifacts:
        metrics["vocabulary"] = read_json(artifacts["gain"].folder / GAIN)
    if "figures" in artifacts:
        metrics["pretrain"] = _pretraining(read_json(artifacts["figures"].folder / FIGURES))
    if OTHER_TEXTS in artifacts:
        metrics["pretrain"]["texts"] = read_json(artifacts[OTHER_TEXTS].folder / TEXT_FIGURES)
    if TRANSLATIONS in artifacts:
        metrics["pretrain"]["translation"] = read_json(artifacts[TRANSLATIONS].folder / TRANSLATION_FIGURES)
    metrics["tasks"] = {
        name: _task(read_json(artifacts[f"evaluation-{name}"].folder / EVALUATION)) for name in recipe.tasks
    }
    return metrics


def _pretraining(figures: dict[str, Any]) -> dict[str, Any]:
    """Plain values under `validation`, `before`, `change` (from that on, paired), `test` and `frequencies` (what token
    frequencies alone would give on the validation text); their intervals under `intervals`. Of two towers `retrieval`
    on the test items, too."""
    named = {"validation": figures["after"]} | {
        name: figures[name] for name in ("before", "change", "test", "frequencies") if figures.get(name)
    }
    return {
        **{name: {key: one["value"] for key, one in values.items()} for name, values in named.items()},
        "intervals": named,
        **{key: figures[key] for key in ("steps", "tokens", "epochs", "seconds", "parameters", "precision")},
        **{key: figures[key] for key in ("retrieval",) if key in figures},
    }


def _task(evaluation: dict[str, Any]) -> dict[str, Any]:
    return {
        "metric": evaluation["metric"],
        "test": evaluation["test"],
        "baseline_test": evaluation.get("baseline_test"),
        "verdict": evaluation["verdict"],
        "delivered": evaluation["delivered"],
        **({"periods": evaluation["periods"]} if "periods" in evaluation else {}),
        **({"independent": evaluation["independent"]["test"]} if "independent" in evaluation else {}),
    }
