"""How much of a text repeats itself (Rae et al. 2021, table A1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Limits:
    """Greatest shares. n → limit for n-grams."""

    duplicate_lines: float
    """Of lines that stood before in the text; the same bound for paragraphs."""
    duplicate_line_characters: float
    """Of characters in such lines; the same bound for paragraphs."""
    top_ngram: tuple[tuple[int, float], ...]
    """Of characters in the most frequent n-gram."""
    duplicate_ngrams: tuple[tuple[int, float], ...]
    """Of characters in n-grams that stood before."""

    @property
    def least_duplicate(self) -> float:
        """A share of repeated n-grams that breaks no limit of longer ones either: what stands in a repeated longer
        n-gram stands in a repeated shorter one too."""
        return min((limit for _, limit in self.duplicate_ngrams), default=0.0)

    def stretched(self, times: int) -> Limits:
        """With n-grams that many times as long."""
        return replace(
            self,
            top_ngram=tuple((n * times, limit) for n, limit in self.top_ngram),
            duplicate_ngrams=tuple((n * times, limit) for n, limit in self.duplicate_ngrams),
        )


GOPHER = Limits(
    duplicate_lines=0.30,
    duplicate_line_characters=0.20,
    top_ngram=((2, 0.20), (3, 0.18), (4, 0.16)),
    duplicate_ngrams=((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)),
)


@dataclass(frozen=True, slots=True)
class Repetition:
    """How much of one text repeats, as shares."""

    lines: tuple[float, float]
    """Of lines that stood before, and of the characters in them."""
    paragraphs: tuple[float, float]
    top_ngram: tuple[float, ...]
    """Of characters in the most frequent n-gram, for each n of the limits."""
    duplicate_ngrams: tuple[float, ...]
    """Of characters in repeated n-grams, for each n of the limits up to the first share that breaks none of them;
    then 0."""


def repetition_of(text: str, units: Sequence[str], limits: Limits) -> Repetition:
    """What repeats in the text. `units` are its words (or characters)."""
    hashes, lengths = _hashed(units)
    duplicates = [0.0] * len(limits.duplicate_ngrams)
    for place, (n, _) in enumerate(limits.duplicate_ngrams):
        duplicates[place] = duplicate_ngram_share(hashes, lengths, n)
        if duplicates[place] <= limits.least_duplicate:
            break
    return Repetition(
        repeated_share(text.split("\n")),
        repeated_share(text.split("\n\n")),
        tuple(top_ngram_share(hashes, lengths, n) for n, _ in limits.top_ngram),
        tuple(duplicates),
    )


def broken_limit(found: Repetition, limits: Limits) -> tuple[str, str] | None:
    """(rule, what was found) of the first limit that is broken."""
    for what, (parts, characters) in (("lines", found.lines), ("paragraphs", found.paragraphs)):
        if parts > limits.duplicate_lines or characters > limits.duplicate_line_characters:
            bounds = f"more than {limits.duplicate_lines:.0%} or {limits.duplicate_line_characters:.0%}"
            said = f"{parts:.0%} of the {what}, {characters:.0%} of the characters in them, stood before"
            return f"duplicate_{what}", f"{said}, {bounds}"
    for share, (n, limit) in zip(found.top_ngram, limits.top_ngram, strict=True):
        if share > limit:
            return "top_ngram", f"{share:.0%} of the characters stand in one {n}-gram, more than {limit:.0%}"
    for share, (n, limit) in zip(found.duplicate_ngrams, limits.duplicate_ngrams, strict=True):
        if share > limit:
            ngrams = f"{share:.0%} of the characters stand in repeated {n}-grams"
            return "duplicate_ngrams", f"{ngrams}, more than {limit:.0%}"
    return None


def repeated_share(parts: list[str]) -> tuple[float, float]:
    """(share of the parts, share of their characters) that stood before; blank parts aside."""
    seen: set[str] = set()
    count = repeats = characters = repeated = 0
    for part in parts:
        part = part.strip()
        if not part:
            continue
        count += 1
        characters += len(part)
        if part in seen:
            repeats += 1
            repeated += len(part)
        seen.add(part)
    return (repeats / count, repeated / characters) if count else (0.0, 0.0)


def _hashed(units: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """[W] a hash for each unit, equal for equal ones, and [W] its number of characters."""
    numbers: dict[str, int] = {}
    ids = np.fromiter(
        (numbers.setdefault(unit, len(numbers)) for unit in units), dtype=np.uint64, count=len(units)
    )
    sizes = np.fromiter(map(len, numbers), dtype=np.int64, count=len(numbers))
    return _mix(ids), sizes[ids.astype(np.int64)] if len(units) else np.zeros(0, dtype=np.int64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    values ^= values >> np.uint64(29)
    return values * np.uint64(0xBF58476D1CE4E5B9)


def _ngrams(hashes: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
    """[W-n+1] a hash for each run of n units."""
    total = np.zeros(len(hashes) - n + 1, dtype=np.uint64)
    for offset in range(n):
        total = total * np.uint64(0x100000001B3) + hashes[offset : offset + len(total)]
    return total


def top_ngram_share(hashes: NDArray[np.uint64], lengths: NDArray[np.int64], n: int) -> float:
    """Share of characters in the occurrences of the most frequent n-gram (the longest of them); 0 if none
    repeats."""
    if len(hashes) <= n:
        return 0.0
    _, first, counts = np.unique(_ngrams(hashes, n), return_index=True, return_counts=True)
    most = counts.max()
    if most < 2:
        return 0.0
    ends = np.concatenate([[0], np.cumsum(lengths)])
    sizes = ends[first + n] - ends[first]
    return float(min(1.0, most * sizes[counts == most].max() / ends[-1]))


def duplicate_ngram_share(hashes: NDArray[np.uint64], lengths: NDArray[np.int64], n: int) -> float:
    """Share of characters in n-grams that stood before in the text, overlaps counted once."""
    if len(hashes) <= n:
        return 0.0
    ngrams = _ngrams(hashes, n)
    _, first = np.unique(ngrams, return_index=True)
    repeats = np.ones(len(ngrams), dtype=np.int64)
    repeats[first] = 0
    # A unit is covered when one of the last n runs that reach it is a repeat.
    edges = np.zeros(len(hashes) + 1, dtype=np.int64)
    edges[: len(repeats)] += repeats
    edges[n : n + len(repeats)] -= repeats
    covered = np.cumsum(edges)[:-1] > 0
    return float(lengths[covered].sum() / lengths.sum())
