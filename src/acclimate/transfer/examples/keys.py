"""What makes two examples equal: their texts but for case and white space."""

from __future__ import annotations

from collections.abc import Sequence

from acclimate.corpus.document import comparable
from acclimate.transfer.examples.preparing import Examples


def key_of(text: str, pair: str | None) -> tuple[str, str]:
    return comparable(text), comparable(pair or "")


def keys_of(examples: Examples) -> set[tuple[str, str]]:
    pairs: Sequence[str | None] = examples.pairs or [None] * len(examples)
    return set(map(key_of, examples.texts, pairs))
