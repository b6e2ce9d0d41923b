"""What entries of the conformance suite need whose objectives learn from pairs of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from family_entry import corpus, random_batch

from acclimate.batching.packed import PackedBatch
from acclimate.models.family import Family
from acclimate.models.kinds import Kind
from acclimate.objectives.protocol import ObjectiveSettings, Texts
from acclimate.progress import silent

PAIRS = {
    "pairs": {"tab_pairs": {"path": str(Path(__file__).parent / "pairs.tsv"), "sides": ["en", "zh"]}},
    "split": {"validation": 0, "test": 0},
}
"""Eight lines of English and Chinese in the words of `family_entry.TEXTS`."""
MARKED = {
    "pairs": str(Path(__file__).parent / "marked.tsv"),
    "source": "first",
    "target": "second",
    "split": {"validation": 0, "test": 0},
}
"""The same pairs with a `label` and a `score` each."""


def texts(folder: Path, objective: ObjectiveSettings, tokenizer: Any) -> Texts:
    """The pairs for an objective that brings them, for another the corpus."""
    if not objective.brings_data:
        return corpus(folder, objective, tokenizer)
    for part in ("train", "validation", "test"):
        (folder / part).mkdir()
    told = objective.write(folder, tokenizer=tokenizer, sequence_length=24, seed=0, tell=silent)
    assert told["kept"] == told["read"] == 8
    return Texts(folder, folder / "train")


def with_languages(family: type[Family], kind: Kind, tokenizer: Any, lengths: Sequence[int]) -> PackedBatch:
    """A batch that tells the language of each token; positions go on, for a plain call cannot have it otherwise."""
    batch = random_batch(family, kind, tokenizer, lengths)
    return replace(batch, by_token={"languages": batch.segments})
