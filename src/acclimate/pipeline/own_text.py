"""The stages of a task-adaptive pretraining: the task's training texts as tokens, and one training on them an arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.pipeline.pretrain import MODEL, model_settings, run_pretraining
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from acclimate.transfer.methods.tapt import Tapt

OWN_TOKENS = "own-tokens-{}"
_PARTS = ("train", "validation", "test")


def own_text(recipe: Recipe, name: str) -> Tapt | None:
    """What the task says of a pretraining on its own texts."""
    task: Any = recipe.tasks[name]
    found: Tapt | None = task.transfer.own_text()
    return found


def tapt_stage_name(name: str, arm: str) -> str:
    return f"tapt-{name}-{arm}"


def own_text_stages(recipe: Recipe, name: str, arms: tuple[str, ...], outside: dict[str, Any]) -> list[Stage]:
    """None where the task asks for no such training. `outside`: identity of the model that the recipe starts from."""
    if own_text(recipe, name) is None:
        return []
    return [_tokens_stage(recipe, name), *(_training_stage(recipe, name, arm, outside) for arm in arms)]


def _texts(folder: Path, part: str) -> Iterator[list[str]]:
    from pyarrow import parquet

    # The test's texts are not for learning, with labels or without.
    if part == "test":
        return
    table = parquet.read_table(folder / f"{part}.parquet", columns=["text", "pair"])
    for column in ("text", "pair"):
        yield [one for one in table[column].to_pylist() if one]


def _tokens_stage(recipe: Recipe, name: str) -> Stage:
    settings = own_text(recipe, name)
    assert settings is not None
    objective: Any = settings.objective
    marks = sorted(objective.marks)

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import new_folder, write_json
        from acclimate.batching.token_store import build_token_store
        from acclimate.pipeline.tokens import chinese_words_of
        from acclimate.tokenizer.loading import load_tokenizer

        tokenizer = load_tokenizer(work.inputs["tokenizer"].folder)
        examples = work.inputs[f"examples-{name}"].folder
        segment = chinese_words_of(work) if "words" in marks else None
        counts = {
            part: build_token_store(
                _texts(examples, part),
                tokenizer,
                new_folder(work.folder / part),
                work.tell,
                marks=marks,
                segment=segment,
            )
            for part in _PARTS
        }
        write_json(work.folder / "counts.json", {"vocabulary": len(tokenizer), **counts})

    return Stage(
        name=OWN_TOKENS.format(name),
        kind="own-tokens",
        version=1,
        settings={"marks": marks},
        needs=(f"examples-{name}", "tokenizer"),
        packages=("tokenizers",),
        run=run,
    )


def _training_stage(recipe: Recipe, name: str, arm: str, outside: dict[str, Any]) -> Stage:
    settings = own_text(recipe, name)
    assert settings is not None
    pretraining = settings.pretraining()
    tokens = OWN_TOKENS.format(name)
    start = "pretrain" if arm == "with" else None

    def run(work: Work) -> None:
        changed: dict[str, Any] = {"pretrain": pretraining}
        if start is not None:
            # The checkpoint brings all of the family's settings but these.
            kept = recipe.model.model_dump(include={"dropout", "attention_dropout"})
            place = str(work.inputs[start].folder / MODEL)
            changed |= {
                "tokenizer": None,
                "model": type(recipe.model).model_validate({"checkpoint": place, **kept}),
            }
        inputs = {"tokens": work.inputs[tokens], "tokenizer": work.inputs["tokenizer"]}
        run_pretraining(recipe.model_copy(update=changed), replace(work, inputs=inputs))

    return Stage(
        name=tapt_stage_name(name, arm),
        kind="tapt",
        version=2,
        settings={
            "pretrain": pretraining.model_dump(mode="json"),
            "model": model_settings(recipe),
            "seed": recipe.seed,
        },
        outside=outside if start is None else {},
        needs=(tokens, "tokenizer", *((start,) if start else ())),
        packages=("torch", "transformers"),
        run=run,
    )
