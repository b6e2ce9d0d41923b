"""The stages between text and numbers: the corpus, its tokenizer, its tokens."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.artifacts.store import Artifact
from acclimate.errors import UserError
from acclimate.pipeline.accounting import account
from acclimate.pipeline.stage import Stage, Work
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from acclimate.corpus.leakage.held_out import HeldOutText
    from acclimate.tokenizer.pieces import Segment

SPLITS = ("train", "validation", "test")
Digests = Callable[[Path], str]


def corpus_stage(recipe: Recipe, digests: Digests, held_out_by: tuple[str, ...]) -> Stage:
    """Sources → cleaned, deduplicated, split documents. `held_out_by`: the stages with the tasks' own texts."""

    def run(work: Work) -> None:
        from acclimate.corpus.build import build_corpus
        from acclimate.pipeline.doctor import usable_cores

        statistics = build_corpus(
            recipe.corpus,
            work.folder,
            held_out=chain(_held_out(work, held_out_by), _independent(recipe)),
            tasks=list(recipe.tasks),
            task_texts=lambda task: _texts(work, f"examples-{task}", "train"),
            tell=work.tell,
            workers=work.hardware.workers or (None if work.hardware.cluster else max(1, int(usable_cores()))),
            cluster=work.hardware.cluster,
        )
        account(work, statistics)

    return Stage(
        name="corpus",
        kind="corpus",
        version=2,
        # Sources are known by what they hold (their fingerprints), not by where they are kept.
        settings={
            **recipe.corpus.model_dump(
                mode="json",
                exclude={
                    **dict.fromkeys(("sources", "validation", "test", "select", "distances"), True),
                    "decontaminate": {"tests"},
                },
            ),
            **_chosen_by(recipe),
            "unicode": unicodedata.unidata_version,
        },
        packages=("ftfy", "py3langid"),
        outside={
            **{str(n): one.build().fingerprint(digests) for n, one in enumerate(recipe.corpus.sources)},
            **_held_out_as(recipe, digests),
            **_cleaned_by(recipe, digests),
            **_compared_with(recipe, digests),
            **_kept_out(recipe, digests),
        },
        needs=tuple(dict.fromkeys((*held_out_by, *(f"examples-{task}" for task in asked_tasks(recipe))))),
        run=run,
    )


def _held_out_as(recipe: Recipe, digests: Digests) -> dict[str, Any]:
    """Identity by content of the texts that are held out as such."""
    parts = {"validation": recipe.corpus.validation, "test": recipe.corpus.test}
    return {
        f"{part} {number}": one.build().fingerprint(digests)
        for part, sources in parts.items()
        for number, one in enumerate(sources)
    }


def asked_tasks(recipe: Recipe) -> list[str]:
    """The tasks whose training texts decide something about the corpus."""
    select: Any = recipe.corpus.select
    if recipe.corpus.distances is not None:
        return list(recipe.tasks)
    return [select.task] if select is not None and select.task in recipe.tasks else []


def _chosen_by(recipe: Recipe) -> dict[str, Any]:
    """Settings of what chooses and compares; what files hold stands in `_compared_with`."""
    select: Any = recipe.corpus.select
    far = recipe.corpus.distances
    return {
        "select": select and select.settings(),
        "distances": far and {"sample": far.sample, "tasks": list(recipe.tasks)},
    }


def _cleaned_by(recipe: Recipe, digests: Digests) -> dict[str, Any]:
    """The files that cleaning goes by: lists, reference texts."""
    return {
        f"clean {n}": step.fingerprint(digests)
        for n, step in enumerate(recipe.corpus.clean)
        if hasattr(step, "fingerprint")
    }


def _compared_with(recipe: Recipe, digests: Digests) -> dict[str, Any]:
    """Identity by content of what the corpus is chosen by and compared with."""
    select: Any = recipe.corpus.select
    far = recipe.corpus.distances
    found = {
        "target": select and select.fingerprint(digests),
        "base": far and far.base and far.base.build().fingerprint(digests),
    }
    return {name: one for name, one in found.items() if one is not None}


def _kept_out(recipe: Recipe, digests: Digests) -> dict[str, Any]:
    """Identity by content of the test sets outside that are kept out of the corpus."""
    if recipe.corpus.decontaminate is None:
        return {}
    tests = enumerate(recipe.corpus.decontaminate.tests)
    independent = {name: task.independent_fingerprint(digests) for name, task in _tasks(recipe)}
    return {
        **{f"test {number}": one.build().fingerprint(digests) for number, one in tests},
        **{f"independent test of {name}": one for name, one in independent.items() if one},
    }


def _tasks(recipe: Recipe) -> list[tuple[str, Any]]:
    return list(recipe.tasks.items())


def _independent(recipe: Recipe) -> Iterator[HeldOutText]:
    """What examples of independent tests say, those without a usable label too. Nothing of them stays but hashes, and
    what the corpus had of them."""
    from acclimate.corpus.document import Dropped, find_column
    from acclimate.corpus.leakage.held_out import HeldOutText
    from acclimate.transfer.examples.sources import open_independent, roles_of

    for name, task in _tasks(recipe):
        reader = open_independent(task)
        for record in reader.records() if reader is not None else ():
            if isinstance(record, Dropped):
                continue
            row = task.row(record)
            if isinstance(row, Dropped):
                key = find_column(record.fields, next(iter(roles_of(task).values())))
                said = _said("" if key is None else record.fields[key].strip(), None, {})
            else:
                said = _said(row.text, row.pair, row.more)
            for text in said:
                yield HeldOutText(name, "independent_test", record.place, text)


def _held_out(work: Work, stages: tuple[str, ...]) -> Iterator[HeldOutText]:
    from acclimate.corpus.leakage.held_out import HeldOutText
    from acclimate.transfer.examples.preparing import read_examples

    for stage in stages:
        for split in ("validation", "test"):
            found = read_examples(work.inputs[stage].folder, split)
            pairs: Sequence[str | None] = found.pairs or [None] * len(found)
            for id, text, pair, more in zip(found.ids, found.texts, pairs, found.more, strict=True):
                for one in _said(text, pair, more):
                    yield HeldOutText(stage.removeprefix("examples-"), split, id, one)


def _said(text: str, pair: str | None, more: Mapping[str, Any]) -> Iterator[str]:
    """An example's texts, what is to be written for it, and the text that was parted into these."""
    from acclimate.corpus.readers.line_breaks import joined

    yield from (one for one in (text, pair) if one)
    for target in more.get("targets", ()):
        yield target
        yield joined([text, target])


def _texts(work: Work, stage: str, split: str) -> Iterator[str]:
    from acclimate.transfer.examples.preparing import read_examples

    examples = read_examples(work.inputs[stage].folder, split)
    yield from examples.texts
    yield from examples.pairs or ()


def require_text(corpus: Artifact, *splits: str) -> None:
    """Raises UserError where one of the corpus's splits is empty, which something is about to learn from."""
    statistics = read_json(corpus.folder / "statistics.json")
    for split in splits:
        if statistics["splits"][split]["documents"]:
            continue
        if split == "train":
            raise UserError(f"corpus: none of the {statistics['kept']:,} documents left is for training")
        share = corpus.manifest.settings["split"][split]
        raise UserError(
            f"corpus.split.{split}: {share} of the {statistics['kept']:,} "
            "documents that were kept leaves none to validate on; give more text or a larger share"
        )


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
    if getattr(part, "of_checkpoint", False):
        return _adapted_tokenizer_stage(recipe, digests)

    extra = extra_tokens(recipe) if part.reads_corpus else ()

    def run(work: Work) -> None:
        from acclimate.corpus.storage import read_texts
        from acclimate.tokenizer.specials import add_extra

        if part.reads_corpus:
            require_text(work.inputs["corpus"], "train")
        tokenizer = part.build(
            texts=read_texts(work.inputs["corpus"].folder, "train") if part.reads_corpus else None,
            folder=work.folder,
            tell=work.tell,
            model_max_length=_positions(recipe),
        )
        if extra:
            add_extra(tokenizer, extra)
            tokenizer.save_pretrained(str(work.folder))

    return Stage(
        name="tokenizer",
        kind="tokenizer",
        version=1,
        settings={
            "tokenizer": part.dumped(),
            "positions": _positions(recipe),
            **({"extra": list(extra)} if extra else {}),
        },
        outside={} if part.reads_corpus else part.fingerprint(digests),
        needs=("corpus",) if part.reads_corpus else (),
        packages=("tokenizers", "transformers"),
        run=run,
    )


def extra_tokens(recipe: Recipe) -> tuple[str, ...]:
    """Special tokens that the recipe's objective needs of a tokenizer besides the usual ones."""
    if recipe.pretrain is None:
        return ()
    objective: Any = recipe.pretrain.objective
    return objective.extra_tokens(recipe.pretrain.sequence_length)  # type: ignore[no-any-return]


def _adapted_tokenizer_stage(recipe: Recipe, digests: Digests) -> Stage:
    """The checkpoint's own tokenizer, adapted to the corpus's training part."""
    part: Any = recipe.tokenizer
    start = str(recipe.model.starts_from)  # type: ignore[attr-defined]

    def run(work: Work) -> None:
        from acclimate.corpus.storage import read_texts

        require_text(work.inputs["corpus"], "train")
        corpus = work.inputs["corpus"].folder
        part.build(
            source=start, texts=lambda: read_texts(corpus, "train"), folder=work.folder, tell=work.tell
        )

    return Stage(
        name="tokenizer",
        kind="tokenizer",
        version=1,
        settings=part.choosing(),
        outside=part.fingerprint(digests, start),
        needs=("corpus",),
        packages=("tokenizers", "transformers"),
        run=run,
    )


def _positions(recipe: Recipe) -> int | None:
    """Longest sequence of the model, where the recipe knows it."""
    family: Any = recipe.model
    return family.max_positions() if hasattr(family, "max_positions") else None


def tokens_stage(recipe: Recipe) -> Stage:
    """The corpus as numbers, one store a split."""
    segmentation: Any = None if recipe.pretrain is None else recipe.pretrain.segmentation
    marks = sorted(recipe.pretrain.objective.marks) if recipe.pretrain is not None else []  # type: ignore[attr-defined]
    sources = recipe.pretrain is not None and recipe.pretrain.objective.knows_sources  # type: ignore[attr-defined]

    def run(work: Work) -> None:
        from acclimate.artifacts.durable import new_folder, write_json
        from acclimate.batching.sources import write_sources
        from acclimate.batching.token_store import build_token_store
        from acclimate.corpus.storage import read_sources, read_texts
        from acclimate.tokenizer.loading import load_tokenizer

        require_text(work.inputs["corpus"], "train", "validation")
        tokenizer = load_tokenizer(work.inputs["tokenizer"].folder)
        corpus = work.inputs["corpus"].folder
        counts = {}
        segment = chinese_words_of(work) if "words" in marks else None
        for split in SPLITS:
            texts, encode = read_texts(corpus, split), None
            if segmentation is not None and split == "train":
                sampled = segmentation.build(tokenizer=tokenizer, seed=recipe.seed)
                encode = sampled.in_order(sum(map(len, texts)))
                texts = chain.from_iterable(read_texts(corpus, split) for _ in range(segmentation.copies))
            folder = new_folder(work.folder / split)
            counts[split] = build_token_store(
                texts, tokenizer, folder, work.tell, encode=encode, marks=marks, segment=segment
            )
            if sources:
                write_sources(read_sources(corpus, split), folder)
        write_json(work.folder / "counts.json", {"vocabulary": len(tokenizer), **counts})

    return Stage(
        name="tokens",
        kind="tokens",
        version=1,
        settings={
            **({} if segmentation is None else {"segmentation": segmentation.dumped(), "seed": recipe.seed}),
            **({"marks": marks} if marks else {}),
            **({"sources": True} if sources else {}),
        },
        needs=("corpus", "tokenizer"),
        packages=("tokenizers", *(("rjieba",) if "words" in marks and find_spec("rjieba") else ())),
        run=run,
    )


def chinese_words_of(work: Work) -> Segment:
    """Words by rjieba; where it is not installed each Han character, which is told once."""
    from acclimate.tokenizer.segmenting import chinese_words

    if find_spec("rjieba"):
        return chinese_words()
    told: list[str] = []

    def characters(run: str) -> list[str]:
        if not told:
            told.append(run)
            work.emit(
                "warning",
                message=f"rjieba is not installed, so each character of Chinese ({run[:4]}…) is a word by itself; for "
                "words: pip install 'acclimate[zh]'",
            )
        return list(run)

    return characters


def read_json(path: Path) -> Any:
    """A JSON file of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))
