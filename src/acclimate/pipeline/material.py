"""The stage that makes an objective's own data ready: parallel texts, images with captions, forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.pipeline.accounting import account
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

MATERIAL = "material"
PARTS = ("train", "validation", "test")


def brings_data(recipe: Recipe) -> bool:
    """Whether the recipe's objective reads data besides the corpus."""
    objective: Any = recipe.pretrain and recipe.pretrain.objective
    return objective is not None and bool(objective.brings_data)


def material_stage(recipe: Recipe, digests: Callable[[Path], str]) -> Stage:
    """Needs an objective that brings data."""
    assert recipe.pretrain is not None
    objective: Any = recipe.pretrain.objective
    length = recipe.pretrain.sequence_length

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import new_folder, write_json
        from acclimate.tokenizer.loading import load_tokenizer

        for part in PARTS:
            new_folder(work.folder / part)
        statistics = objective.write(
            work.folder,
            tokenizer=load_tokenizer(work.inputs["tokenizer"].folder),
            sequence_length=length,
            seed=recipe.seed,
            tell=work.tell,
        )
        write_json(work.folder / "statistics.json", statistics)
        account(work, statistics)

    return Stage(
        name=MATERIAL,
        kind=MATERIAL,
        version=1,
        settings={"objective": objective.dumped(), "sequence_length": length, "seed": recipe.seed},
        outside=objective.fingerprint(digests),
        needs=("tokenizer",),
        run=run,
    )
