"""The models a recipe will train, before anything was read: to be measured and looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acclimate.pipeline.starting_point import adapts
from acclimate.pipeline.task_start import arms
from acclimate.pipeline.tokens import extra_tokens, tokenizer_part
from acclimate.recipe.problems import Path
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.packed import Sequences

CLASSES = ("0", "1")
"""How many classes a task has is known only from its data; a head's size hardly matters beside the body's."""


@dataclass(frozen=True)
class TrainedPart:
    """One kind of training in a recipe."""

    name: str
    """`pretrain`, or `tasks.<name>`."""
    path: Path
    """Where its settings stand in the recipe."""
    settings: Any
    """`Pretrain`, or a task: length, batch, sequence_length, optimizer, schedule, gradients."""
    trainings: int
    """How often the recipe trains it: a task once per arm and seed."""

    @property
    def is_task(self) -> bool:
        return self.name != "pretrain"

    @property
    def optimizer(self) -> Any:
        """Its settings, as they will be used."""
        given = self.settings.optimizer
        return self.settings.transfer.optimizer_of(given) if self.is_task else given

    def at_work(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
        """The task at work, or the objective."""
        if self.is_task:
            return self.settings.build(names=CLASSES, tokenizer=tokenizer, seed=seed)
        return self.settings.objective.build(tokenizer=tokenizer, seed=seed)

    def shaped(self, at_work: Any) -> Callable[[Sequences], Sequences]:
        """What makes sequences of random tokens look like those that it learns from."""
        stand_in: Callable[[Sequences], Sequences] = (
            at_work.stand_in if self.is_task else self.settings.objective.stand_in
        )
        return stand_in


def trained_parts(recipe: Recipe) -> Iterator[TrainedPart]:
    """The trainings of a recipe, in its order."""
    if recipe.pretrain is not None:
        yield TrainedPart("pretrain", ("pretrain",), recipe.pretrain, 1)
    for name, task in recipe.tasks.items():
        settings: Any = task
        if not settings.transfer.by_gradient:
            continue
        path = ("tasks", name, task.registered_as[1])
        yield TrainedPart(f"tasks.{name}", path, settings, len(arms(recipe, name)) * settings.seeds)


def dry_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """The tokenizer that is loaded; where one is trained, one with as many entries as it may have.

    Where one is adapted, it is the checkpoint's own: a few thousand entries more are little beside its size.

    Raises UserError for one that cannot be loaded.
    """
    from acclimate.tokenizer.loading import load_tokenizer
    from acclimate.tokenizer.specials import add_extra
    from acclimate.tokenizer.untrained import untrained_tokenizer

    part = tokenizer_part(recipe)
    if adapts(recipe):
        return load_tokenizer(recipe.model.starts_from)  # type: ignore[attr-defined]
    if part.reads_corpus:
        tokenizer = untrained_tokenizer(part.vocab_size)
        add_extra(tokenizer, extra_tokens(recipe))
        return tokenizer
    return load_tokenizer(part.source, revision=part.revision)


def dry_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, part: TrainedPart) -> PreTrainedModel:
    """The model that the part trains, with what never trains frozen. A task's starts without the pretraining."""
    from acclimate.models.family import Vocabulary
    from acclimate.pipeline.pretrain import objective_labels

    model: PreTrainedModel = recipe.model.build(
        vocabulary=Vocabulary.of(tokenizer),
        seed=recipe.seed,
        kind=part.settings.kind if part.is_task else part.settings.objective.kind,
        labels=part.settings.labels(CLASSES) if part.is_task else objective_labels(part.settings.objective),
    )
    if not part.is_task:
        part.settings.objective.furnish(model, recipe.seed)
    if part.is_task:
        part.settings.furnish(model, names=CLASSES, seed=recipe.seed)
        plan = part.settings.transfer.build(model=model, length=part.settings.length, seed=recipe.seed)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in plan.trained)
    return model
