"""ROUGE: how many of a reference's words, pairs of words, or words in their order a text has.

Equal to the package rouge-score without stemming on text in ASCII; letters of other alphabets, which that one throws
away, count here, and scripts without spaces are compared character by character.

Legend: N texts, R weightings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from acclimate.evaluate.outcomes import Floats

if TYPE_CHECKING:
    from acclimate.evaluate.written import Written, WrittenTally


def rouge(texts: Written) -> Floats:
    """[N, 4] F1 of ROUGE-1, ROUGE-2 and ROUGE-L, each the best over the references, and 1."""
    from acclimate.evaluate.written import words

    rows = []
    for output, several in zip(texts.outputs, texts.references, strict=True):
        said = words(output)
        found = [
            (_overlap(said, right, 1), _overlap(said, right, 2), _in_order(said, right))
            for right in map(words, several)
        ]
        rows.append([*(max(column) for column in zip(*found, strict=True)), 1.0])
    return np.array(rows)


def mean_of(column: int, tally: WrittenTally) -> Floats:
    """[R] the mean of a column of `rouge`, 0 to 100."""
    sums = tally.sums(rouge)
    return np.asarray(100 * sums[column] / sums[3])


def _f1(shared: int, said: int, right: int) -> float:
    return 2 * shared / (said + right) if shared else 0.0


def _overlap(said: Sequence[str], right: Sequence[str], n: int) -> float:
    mine, other = (
        Counter(tuple(one[at : at + n]) for at in range(len(one) - n + 1)) for one in (said, right)
    )
    return _f1((mine & other).total(), mine.total(), other.total())


def _in_order(said: Sequence[str], right: Sequence[str]) -> float:
    return _f1(longest_common(said, right), len(said), len(right))


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table at a time as the bits of a number (Crochemore et al.
    2001)."""
    places: dict[str, int] = {}
    for at, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << at
    all_bits = (1 << len(a)) - 1
    row = all_bits
    for word in b:
        here = row & places.get(word, 0)
        row = ((row + here) | (row - here)) & all_bits
    return len(a) - row.bit_count()
