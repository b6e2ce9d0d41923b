"""The stages between text and numbers: the corpus, its tokenizer, its tokens."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from acclimate.errors import UserError
from acclimate.pipeline.accounting import account
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

SPLITS = ("train", "validation", "test")
Digests = Callable[[Path], str]


def corpus_stage(recipe: Recipe, digests: Digests, held_out_by: tuple[str, ...]) -> Stage:
    """Sources → cleaned, deduplicated, split documents. `held_out_by`: the stages with the tasks' own texts."""

    def run(work: Work) -> None:
        from acclimate.corpus.build import build_corpus

        statistics = build_corpus(
            recipe.corpus, work.folder, held_out=_held_out(work, held_out_by), tell=work.tell
        )
        account(work, statistics)
        if recipe.pretrain is not None and not statistics["splits"]["validation"]["documents"]:
            raise UserError(
                f"corpus.split.validation: {recipe.corpus.split.validation:.4g} of the {statistics['kept']:,} "
                "documents that were kept leaves none to validate on; give more text or a larger share"
            )

    return Stage(
        name="corpus",
        kind="corpus",
        version=1,
        # Sources are known by what they hold (their fingerprints), not by where they are kept.
        settings={
            **recipe.corpus.model_dump(mode="json", exclude={"sources"}),
            "unicode": unicodedata.unidata_version,
        },
        packages=("py3langid",),
        outside={
            str(n): source.build().fingerprint(digests) for n, source in enumerate(recipe.corpus.sources)
        },
        needs=held_out_by,
        run=run,
    )


def _held_out(work: Work, stages: tuple[str, ...]) -> Iterator[str]:
    from acclimate.transfer.examples import read_examples

    for stage in stages:
        for split in ("validation", "test"):
            examples = read_examples(work.inputs[stage].folder, split)
            yield from examples.texts
            yield from examples.pairs or ()


def tokenizer_part(recipe: Recipe) -> Any:
    """The recipe's tokenizer; where it names none the checkpoint's own, else one of the default size."""
    from acclimate.tokenizer.loading import Load
    from acclimate.tokenizer.training import Train

    if recipe.tokenizer is not None:
        return recipe.tokenizer
    start = getattr(recipe.model, "starts_from", None)
    return Load(source=start) if start else Train(least=0)


def tokenizer_stage(recipe: Recipe, digests: Digests) -> Stage:
    """A tokenizer trained on the corpus's training part, or taken from elsewhere."""
    part = tokenizer_part(recipe)

    def run(work: Work) -> None:
        from acclimate.corpus.storage import read_texts

        part.build(
            texts=read_texts(work.inputs["corpus"].folder, "train") if part.reads_corpus else None,
            folder=work.folder,
            tell=work.tell,
            model_max_length=_positions(recipe),
        )

    return Stage(
        name="tokenizer",
        kind="tokenizer",
        version=1,
        settings={"tokenizer": part.dumped(), "positions": _positions(recipe)},
        outside={} if part.reads_corpus else part.fingerprint(digests),
        needs=("corpus",) if part.reads_corpus else (),
        packages=("tokenizers", "transformers"),
        run=run,
    )


def _positions(recipe: Recipe) -> int | None:
    """Longest sequence of the model, where the recipe knows it."""
    family: Any = recipe.model
    return family.max_positions() if hasattr(family, "max_positions") else None


def tokens_stage() -> Stage:
    """The corpus as numbers, one store a split."""

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import new_folder, write_json
        from acclimate.batching.token_store import build_token_store
        from acclimate.corpus.storage import read_texts
        from acclimate.tokenizer.loading import load_tokenizer

        tokenizer = load_tokenizer(work.inputs["tokenizer"].folder)
        corpus = work.inputs["corpus"].folder
        counts = {}
        for split in SPLITS:
            texts = read_texts(corpus, split)
            counts[split] = build_token_store(texts, tokenizer, new_folder(work.folder / split), work.tell)
        write_json(work.folder / "counts.json", {"vocabulary": len(tokenizer), **counts})

    return Stage(
        name="tokens",
        kind="tokens",
        version=1,
        settings={},
        needs=("corpus", "tokenizer"),
        packages=("tokenizers",),
        run=run,
    )


def read_json(path: Path) -> Any:
    """A JSON file of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))
