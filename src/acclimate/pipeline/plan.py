"""From a recipe to its stages, in an order in which they can run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from acclimate.pipeline.language_figures import figures_stage
from acclimate.pipeline.material import brings_data, material_stage
from acclimate.pipeline.other_texts import other_texts_stage
from acclimate.pipeline.own_text import own_text_stages
from acclimate.pipeline.periods import earlier_stages
from acclimate.pipeline.pretrain import model_identity, pretrain_stage
from acclimate.pipeline.reference import reference_part, reference_stage
from acclimate.pipeline.stage import Stage
from acclimate.pipeline.task_start import arms
from acclimate.pipeline.tasks import (
    augmented_stage,
    evaluation_stage,
    examples_stage,
    task_stages,
    together_stages,
)
from acclimate.pipeline.tokens import corpus_stage, tokenizer_stage, tokens_stage
from acclimate.pipeline.translations import translates, translations_stage
from acclimate.pipeline.vocabulary import vocabulary_stages
from acclimate.recipe.sections import Recipe
from acclimate.recipe.task_order import in_order


def corpus_plan(recipe: Recipe, digests: Callable[[Path], str]) -> list[Stage]:
    """The stages up to the corpus."""
    examples = [examples_stage(recipe, name, digests) for name in recipe.tasks]
    examples += [stage for name in recipe.tasks for stage in earlier_stages(recipe, name, digests)]
    held_out = tuple(stage.name for stage in examples) if recipe.corpus.decontaminate is not None else ()
    return [*examples, corpus_stage(recipe, digests, held_out)]


def plan(recipe: Recipe, digests: Callable[[Path], str]) -> list[Stage]:
    """Every stage of the recipe; each stands after what it needs. `digests` names the content of a file outside."""
    stages = [*corpus_plan(recipe, digests), tokenizer_stage(recipe, digests)]
    adapting = vocabulary_stages(recipe, digests)
    if recipe.pretrain is not None or adapting:
        stages += [tokens_stage(recipe), *adapting]
    if brings_data(recipe):
        stages.append(material_stage(recipe, digests))
    if reference_part(recipe) is not None:
        stages.append(reference_stage(recipe, digests))
    if recipe.pretrain is not None:
        stages += [pretrain_stage(recipe, digests), figures_stage(recipe)]
    if recipe.evaluate.texts:
        stages.append(other_texts_stage(recipe, digests))
    if translates(recipe):
        stages.append(translations_stage(recipe))
    stages += [
        augmented_stage(recipe, name, digests)
        for name, task in recipe.tasks.items()
        if getattr(task, "augment", None)
    ]
    stages += together_stages(recipe, digests)
    for name in in_order(recipe.tasks):
        stages += own_text_stages(recipe, name, arms(recipe, name), model_identity(recipe, digests))
        stages += [*task_stages(recipe, name, digests), evaluation_stage(recipe, name, digests)]
    return stages
