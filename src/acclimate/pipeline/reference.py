"""The stage that makes reference texts ready, whose gradient a transform projects onto."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.errors import UserError
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

REFERENCE = "reference"


def reference_part(recipe: Recipe) -> Any:
    """The gradient transform of the pretraining that wants reference texts; None without one."""
    parts = [] if recipe.pretrain is None else recipe.pretrain.gradients
    return next((part for part in parts if getattr(part, "wants_reference", False)), None)


def reference_stage(recipe: Recipe, digests: Callable[[Path], str]) -> Stage:
    """Needs a transform that wants reference texts."""
    assert recipe.pretrain is not None
    part = reference_part(recipe)
    marks = sorted(recipe.pretrain.objective.marks)  # type: ignore[attr-defined]

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import write_json
        from acclimate.batching.token_store import build_token_store
        from acclimate.corpus.choose.text_sample import TextSample
        from acclimate.corpus.document import Document
        from acclimate.tokenizer.loading import load_tokenizer

        reader = part.reference.build()
        found = (one.text for one in reader.read() if isinstance(one, Document))
        texts = TextSample.of(found, part.sample).texts()
        if not texts:
            raise UserError(f"gradients.{part.registered_as[1]}.reference: {reader.name} holds no text")
        tokenizer = load_tokenizer(work.inputs["tokenizer"].folder)
        counts = build_token_store(iter([texts]), tokenizer, work.folder, work.tell, marks=marks)
        write_json(work.folder / "statistics.json", {"documents": len(texts), "tokens": counts["tokens"]})

    return Stage(
        name=REFERENCE,
        kind=REFERENCE,
        version=1,
        settings={"sample": part.sample, "marks": marks},
        outside=part.reference.build().fingerprint(digests),
        needs=("tokenizer",),
        packages=("tokenizers",),
        run=run,
    )
