"""Which steps a recipe's corpus section asks for, in their order. A new step adds its line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import Cleaner
from acclimate.corpus.pool import Describing, GlobalStep, Pool
from acclimate.corpus.sieve import Sieve
from acclimate.corpus.split import SPLITS, splits_of
from acclimate.recipe import corpus_section


@dataclass(frozen=True)
class Surroundings:
    """What global steps may want to know besides the corpus section."""

    sources: Sequence[str]
    """Names of the sources, by number."""
    task_texts: Callable[[str], Iterable[str]]
    """The training texts of one of the recipe's tasks, by its name."""
    tasks: Sequence[str] = ()
    """The names of the tasks."""


def prepared(corpus: corpus_section.Corpus, folder: Path) -> corpus_section.Corpus:
    """The section with what its cleaners have to learn learnt and kept in the folder, for all processes alike."""
    clean = [
        step.prepared(folder / f"clean-{number}") if hasattr(step, "prepared") else step
        for number, step in enumerate(corpus.clean)
    ]
    return corpus.model_copy(update={"clean": clean})


def cleaners(corpus: corpus_section.Corpus) -> list[Cleaner]:
    """What is done to each document, held-out texts of tasks included."""
    return [cleaner.build() for cleaner in corpus.clean]


def checks(corpus: corpus_section.Corpus, held_out: Path | None) -> list[Cleaner]:
    """What is looked at in each cleaned document, but not in the held-out texts themselves.

    `held_out` is the folder with the index of those (see `leakage`); None where there are none, or the recipe lets
    them in.
    """
    from acclimate.corpus.leakage.decontaminate import Decontaminator
    from acclimate.corpus.leakage.index import ContaminationIndex

    settings = corpus.decontaminate
    if held_out is None or settings is None:
        return []
    index = ContaminationIndex.load(held_out)
    return [Decontaminator(index, near=settings.near, cut=settings.action == "cut")]


def describing_steps(corpus: corpus_section.Corpus) -> list[Describing]:
    """Those global steps that want something of each text, which workers work out; they come first."""
    from acclimate.corpus.choose.measuring import Places
    from acclimate.corpus.duplicates.near_step import NearDuplicates, SplitTogether
    from acclimate.corpus.duplicates.shingles import Shingling

    steps: list[Describing] = []
    near, split = corpus.deduplicate.near, corpus.split
    if near is not None:
        steps.append(NearDuplicates(near.threshold, Shingling(near.shingles, near.size)))
    # Where near-duplicates are dropped none are left to be kept together.
    dropped = (
        near is not None
        and (near.shingles, near.size) == ("words", 5)
        and near.threshold <= (split.near or 0)
    )
    if split.near is not None and sum(corpus.held_out_shares) > 0 and not dropped:
        steps.append(SplitTogether(split.near))
    if corpus.select or corpus.sample or corpus.mix or corpus.distances:
        steps.append(Places())
    return steps


def global_steps(
    corpus: corpus_section.Corpus, describing: Sequence[Describing], around: Surroundings
) -> list[tuple[str, GlobalStep]]:
    """(name in the statistics, step) of what must see all documents at once."""
    from acclimate.corpus.choose.domains import Domains
    from acclimate.corpus.choose.mixing import Mixing
    from acclimate.corpus.choose.sampling import Sampling
    from acclimate.corpus.duplicates.substrings import RepeatedSubstrings

    steps: list[tuple[str, GlobalStep]] = [(step.name, step) for step in describing]
    repeated = corpus.deduplicate.substrings
    if repeated is not None:
        step = RepeatedSubstrings(words=repeated.words, action=repeated.action, limit=repeated.most)
        steps.append((step.name, step))
    if corpus.select is not None:
        steps.append(("select", corpus.select.build(task_texts=around.task_texts)))
    if corpus.sample is not None:
        steps.append(("sample", Sampling(corpus.sample)))
    if corpus.mix is not None:
        steps.append(("mix", Mixing(corpus.mix, around.sources, in_training(corpus))))
    if corpus.distances is not None:
        domains = Domains(
            corpus.distances, around.sources, around.tasks, around.task_texts, in_training(corpus)
        )
        steps.append(("distances", domains))
    return steps


def in_training(corpus: corpus_section.Corpus) -> Callable[[Pool], NDArray[np.bool_]]:
    """[N] which documents of a pool fall into the training part, once the steps before have settled their keys."""
    return lambda pool: (
        (splits_of(pool.keys, *corpus.held_out_shares) == SPLITS.index("train"))
        & (pool.source_numbers < len(corpus.sources))
    )


def sieve_of(corpus: corpus_section.Corpus, held_out: Path | None) -> Sieve:
    """All that is done to a batch of documents, the same in every process."""
    return Sieve([*cleaners(corpus), *checks(corpus, held_out)], describing_steps(corpus))
