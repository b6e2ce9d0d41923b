"""What leaves the run: ordinary Hugging Face folders with a model card."""

from __future__ import annotations

from typing import Any

from acclimate.artifacts.durable import write_text
from acclimate.artifacts.store import Artifact
from acclimate.pipeline.pretrain import FIGURES, MODEL
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
        source = artifacts["pretrain"].folder
        known |= {"figures": read_json(source / FIGURES)}
        known |= {"parameters": known["figures"]["parameters"]}
        place = folder.publish(MODEL, source / MODEL)
        card = model_card(name=recipe.name, kind="mlm", config=read_json(place / "config.json"), **known)
        write_text(place / "README.md", card)
    for name in recipe.tasks:
        evaluation = read_json(artifacts[f"evaluation-{name}"].folder / EVALUATION)
        place = folder.publish(f"tasks/{name}/{MODEL}", artifacts[evaluation["delivered"]].folder / MODEL)
        card = model_card(
            name=f"{recipe.name}-{name}",
            kind="classification",
            config=read_json(place / "config.json"),
            evaluation=evaluation,
            **known,
        )
        write_text(place / "README.md", card)
