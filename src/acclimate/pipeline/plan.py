"""From a recipe to its stages, in an order in which they can run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from acclimate.pipeline.language_figures import figures_stage
from acclimate.pipeline.pretrain import pretrain_stage
from acclimate.pipeline.stage import Stage
from acclimate.pipeline.tasks import evaluation_stage, examples_stage, task_stages
from acclimate.pipeline.tokens import corpus_stage, tokenizer_stage, tokens_stage
from acclimate.recipe.sections import Recipe


def plan(recipe: Recipe, digests: Callable[[Path], str]) -> list[Stage]:
    """Every stage of the recipe; each stands after what it needs. `digests` names the content of a file outside."""
    examples = [examples_stage(recipe, name, digests) for name in recipe.tasks]
    held_out = tuple(stage.name for stage in examples) if recipe.corpus.hold_out_tasks else ()
    stages = [*examples, corpus_stage(recipe, digests, held_out), tokenizer_stage(recipe, digests)]
    if recipe.pretrain is not None:
        stages += [tokens_stage(), pretrain_stage(recipe, digests), figures_stage(recipe)]
    for name in recipe.tasks:
        stages += [*task_stages(recipe, name, digests), evaluation_stage(recipe, name)]
    return stages
