"""GLEU of corrections (Napoles et al. 2015, in the form of 2016): BLEU's precision of runs of 1 to 4 words, less what a
text keeps of its source that the reference has not.

precision_n = max(0, Σ min(output, reference) − Σ min(output, source runs that the reference lacks)) / Σ output,
GLEU = min(1, exp(1 − reference length / output length)) · (Π precision_n)^¼; 0 where a sum is 0. With several
references one is drawn for each text, 500 times with the draws of the official program, and the mean is taken.

Legend: N texts, D draws, R weightings.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.outcomes import Floats

if TYPE_CHECKING:
    from acclimate.evaluate.written import Written, WrittenTally

_ORDERS = (1, 2, 3, 4)
_DRAWS, _AT_ONCE = 500, 25
_WIDTH = 2 + 2 * len(_ORDERS)


def gleu(tally: WrittenTally) -> Floats:
    """[R] 0 to 100."""
    rows = tally.sums(_all_references_rows) if _single(tally.texts) else None
    if rows is not None:
        return _score(rows)
    each = tally.texts.sums(_all_references_rows).rows.reshape(tally.texts.num_examples, -1, _WIDTH)
    draws = _drawn([len(several) for several in tally.texts.references])
    total = np.zeros(tally.weights.shape[1])
    for start in range(0, _DRAWS, _AT_ONCE):
        chosen = draws[start : start + _AT_ONCE]  # [D, N]
        drawn = each[np.arange(chosen.shape[1]), chosen]  # [D, N, 10]
        sums = np.einsum("dnk,nr->kdr", drawn, tally.weights, optimize=True)
        total += _score(sums.reshape(_WIDTH, -1)).reshape(len(chosen), -1).sum(axis=0)
    return total / _DRAWS


def _single(texts: Written) -> bool:
    return max(map(len, texts.references)) == 1


def _drawn(numbers: Sequence[int]) -> NDArray[np.int64]:
    """[500, N] which reference each text has in each draw; numbers [N] of references."""
    rows = []
    for draw in range(_DRAWS):
        source = random.Random(draw * 101)
        rows.append([source.randint(0, number - 1) for number in numbers])
    return np.array(rows, np.int64)


def _score(sums: Floats) -> Floats:
    """[R] of sums [10, R]: lengths of output and reference, then matches and totals of each order."""
    whole = (sums > 0).all(axis=0)
    safe = np.where(whole, sums, 1.0)
    precision = np.log(safe[2::2] / safe[3::2]).mean(axis=0)
    brevity = np.minimum(0.0, 1 - safe[1] / safe[0])
    return np.where(whole, 100 * np.exp(brevity + precision), 0.0)


def _all_references_rows(texts: Written) -> Floats:
    """[N, most references · 10] the counts against each reference; those that a text lacks are 0 and never drawn."""
    from acclimate.evaluate.written import pieces

    most = max(map(len, texts.references))
    rows = np.zeros((texts.num_examples, most, _WIDTH))
    triples = zip(texts.sources, texts.references, texts.outputs, strict=True)
    for number, (source, several, output) in enumerate(triples):
        for at, right in enumerate(several):
            rows[number, at] = counts(pieces(source), pieces(right), pieces(output))
    return rows.reshape(texts.num_examples, -1)


def counts(source: Sequence[str], right: Sequence[str], output: Sequence[str]) -> list[int]:
    """[10] lengths of output and reference, then of each order what matches (less the penalty) and how many runs."""
    found = [len(output), len(right)]
    for n in _ORDERS:
        mine, wanted, given = (_runs(one, n) for one in (output, right, source))
        kept = Counter({run: number for run, number in given.items() if run not in wanted})
        found += [max(0, (mine & wanted).total() - (mine & kept).total()), max(0, len(output) + 1 - n)]
    return found


def _runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))
