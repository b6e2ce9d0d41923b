"""What leaves the run: ordinary Hugging Face folders with a model card."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from acclimate.artifacts.durable import write_text
from acclimate.artifacts.store import Artifact
from acclimate.pipeline.language_figures import FIGURES
from acclimate.pipeline.pretrain import MODEL
from acclimate.pipeline.run_folder import RunFolder
from acclimate.pipeline.tasks import EVALUATION
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.sections import Recipe
from acclimate.report.model_card import model_card


def deliver_models(recipe: Recipe, artifacts: dict[str, Artifact], folder: RunFolder, resolved: str) -> None:
    """Publish the pretrained model and each task's best one into the run folder, each with its card."""
    known: dict[str, Any] = {
        "corpus": read_json(artifacts["corpus"].folder / "statistics.json"),
        "recipe": resolved,
    }
    if "pretrain" in artifacts:
        known["figures"] = read_json(artifacts["figures"].folder / FIGURES)
        place = folder.publish(MODEL, artifacts["pretrain"].folder / MODEL)
        kind = known["figures"]["kind"]
        write_text(place / "README.md", model_card(name=recipe.name, kind=kind, **_described(place), **known))
    tasks: dict[str, Any] = recipe.tasks  # type: ignore[assignment]
    for name, task in tasks.items():
        evaluation = read_json(artifacts[f"evaluation-{name}"].folder / EVALUATION)
        place = folder.publish(f"tasks/{name}/{MODEL}", artifacts[evaluation["delivered"]].folder / MODEL)
        card = model_card(
            name=f"{recipe.name}-{name}",
            kind=task.purpose,
            evaluation=evaluation,
            **_described(place),
            **known,
        )
        write_text(place / "README.md", card)


def _described(model: Path) -> dict[str, Any]:
    """Configuration and size of a model, from its files; torch is not needed. Tied weights are stored once."""
    shapes: list[list[int]] = []
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as weights:
            shapes += [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 (no mapping)
    return {"config": read_json(model / "config.json"), "parameters": sum(map(math.prod, shapes))}
