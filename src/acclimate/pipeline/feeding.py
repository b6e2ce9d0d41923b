"""What the pretraining is fed with: the training text in its order, easy sequences first where the recipe wants it; and
the reference texts of a gradient transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from acclimate.batching.curriculum import Curriculum, rarity_of
from acclimate.engine.feed import Feed
from acclimate.pipeline.reference import REFERENCE, reference_part
from acclimate.pipeline.stage import Work
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.batching.sequence_store import TextStore


def training_feed(recipe: Recipe, store: TextStore, work: Work, num_tokens: int) -> Feed:
    """Of the training text. num_tokens: in the tokenizer."""
    assert recipe.pretrain is not None
    settings = recipe.pretrain

    def describe(sequence: int) -> str:
        from acclimate.corpus.lookup import name_document

        number = int(store.document_of(np.array([sequence]))[0])
        if settings.objective.data is not None or number < 0:  # type: ignore[attr-defined]
            return f"sequence {sequence} of the objective's own data"
        if "corpus" not in work.inputs:
            return f"text {number} of the task's own"
        return name_document(work.inputs["corpus"].folder, "train", number)

    return Feed(
        store,
        batch=settings.batch,
        seed=recipe.seed,
        micro_batch=work.hardware.micro_batch,
        describe=describe,
        curriculum=_curriculum(recipe, store, num_tokens),
    )


def reference_feed(recipe: Recipe, work: Work, tokenizer: PreTrainedTokenizerFast) -> Feed | None:
    """Of the texts whose gradient a transform wants to know; None where none does."""
    from acclimate.objectives.protocol import Texts

    part = reference_part(recipe)
    if part is None or recipe.pretrain is None:
        return None
    store = recipe.pretrain.objective.store(  # type: ignore[attr-defined]
        Texts(work.inputs[REFERENCE].folder),
        tokenizer=tokenizer,
        sequence_length=recipe.pretrain.sequence_length,
        seed=recipe.seed,
    )
    return Feed(store, batch=part.batch, seed=recipe.seed)


def _curriculum(recipe: Recipe, store: TextStore, num_tokens: int) -> Curriculum | None:
    """The order of the first sequences, where the recipe wants one."""
    asked = None if recipe.pretrain is None else recipe.pretrain.curriculum
    if asked is None:
        return None
    difficulty = rarity_of(store, num_tokens) if asked.by == "rarity" else store.lengths
    over = asked.over.amount * (len(store.lengths) if asked.over.unit == "epochs" else 1)
    return Curriculum(difficulty, over=round(over), start=asked.start, seed=recipe.seed)
