"""What is counted of a tokenizer on a group of texts, and the measures made of it.

Legend: T tokens, V entries of the vocabulary, D texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.compare.subjects import Subject
from acclimate.tokenizer.word_starts import crossing

RENYI_ORDER = 2.5
"""α of the efficiency, as Zouhar et al. (2023) found it to tell most about later quality."""
QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass
class Tally:
    """Counts; two of them add up."""

    texts: int = 0
    bytes: int = 0
    characters: int = 0
    visible: int = 0
    """Characters that are no white space."""
    words: int = 0
    tokens: int = 0
    unknown: int = 0
    partial: int = 0
    lost: int = 0
    """Visible characters that the vocabulary does not hold: unknown, or spelt in parts."""
    whole: int = 0
    """Words that are one token."""
    crossing: int = 0
    """Tokens that cross the border of words."""
    used: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """[V] how often each entry occurs."""
    lengths: list[NDArray[np.int64]] = field(default_factory=list)
    """[D] tokens of each text, in pieces."""

    def __add__(self, other: Tally) -> Tally:
        counted = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        used = np.zeros(max(len(self.used), len(other.used)), np.int64)
        for one in (self.used, other.used):
            used[: len(one)] += one
        return Tally(**counted, used=used, lengths=self.lengths + other.lengths)


_COUNTS = (
    *("texts", "bytes", "characters", "visible", "words", "tokens"),
    *("unknown", "partial", "lost", "whole", "crossing"),
)


def tallied(one: Subject, texts: list[str], words: NDArray[np.int64]) -> Tally:
    """The counts for some texts, whose words are given as spans of the texts laid end to end."""
    tokens, lengths, spans = one.encoder.encode_spans(texts)
    joined = "".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)
    visible = ~_is_space(codes)
    unknown = tokens == one.unknown if one.unknown is not None else np.zeros(len(tokens), bool)
    partial = one.partial[tokens]
    bad = spans[unknown | partial]
    change = np.zeros(len(codes) + 1, np.int64)
    np.add.at(change, bad[:, 0], 1)
    np.add.at(change, bad[:, 1], -1)
    across = crossing(spans, words)
    # A word's tokens are those that end behind its start and start before its end.
    first = np.searchsorted(np.maximum.accumulate(spans[:, 1]), words[:, 0], side="right")
    single = np.searchsorted(spans[:, 0], words[:, 1], side="left") - first == 1
    return Tally(
        texts=len(texts),
        bytes=len(joined.encode()),
        characters=len(codes),
        visible=int(visible.sum()),
        words=len(words),
        tokens=len(tokens),
        unknown=int(unknown.sum()),
        partial=int(partial.sum()),
        lost=int((visible & (np.cumsum(change)[:-1] > 0)).sum()),
        whole=int((~across[first[single]]).sum()),
        crossing=int(across.sum()),
        used=np.bincount(tokens, minlength=len(one.partial)),
        lengths=[lengths],
    )


def _is_space(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    spaces = [code for code in range(0x3001) if chr(code).isspace()]
    return np.isin(codes, np.asarray(spaces, np.uint32))


def measures(counted: Tally, vocabulary: int) -> dict[str, Any]:
    """The measures by name; None where there is nothing to divide by."""

    def ratio(part: float, of: float) -> float | None:
        return part / of if of else None

    lengths = np.concatenate(counted.lengths) if counted.lengths else np.zeros(0, np.int64)
    quantiles = np.quantile(lengths, QUANTILES) if len(lengths) else [None] * len(QUANTILES)
    covered = ratio(counted.lost, counted.visible)
    return {
        "texts": counted.texts,
        "bytes": counted.bytes,
        "characters": counted.characters,
        "words": counted.words,
        "tokens": counted.tokens,
        "tokens_per_word": ratio(counted.tokens, counted.words),
        "tokens_per_character": ratio(counted.tokens, counted.visible),
        "bytes_per_token": ratio(counted.bytes, counted.tokens),
        "whole_words": ratio(counted.whole, counted.words),
        "crossing_rate": ratio(counted.crossing, counted.tokens),
        "coverage": None if covered is None else 1 - covered,
        "unknown_rate": ratio(counted.unknown, counted.tokens),
        "byte_rate": ratio(counted.partial, counted.tokens),
        "renyi_efficiency": renyi_efficiency(counted.used, vocabulary),
        "vocabulary_use": ratio(int(np.count_nonzero(counted.used)), vocabulary),
        "length_quantiles": {
            f"{share:g}": None if value is None else float(value)
            for share, value in zip(QUANTILES, quantiles, strict=True)
        },
    }


def renyi_efficiency(used: NDArray[np.int64], vocabulary: int, order: float = RENYI_ORDER) -> float | None:
    """H_α(p) / log V with H_α = log Σ p^α / (1 − α), p the frequencies of the tokens; 1 where all V are as frequent."""
    total = int(used.sum())
    if not total or vocabulary < 2:
        return None
    shares = used[used > 0] / total
    entropy = float(np.log((shares**order).sum()) / (1 - order))
    return entropy / float(np.log(vocabulary))
