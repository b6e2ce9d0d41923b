"""How much a text says again what it has said.

Legend: N texts, R weightings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from acclimate.evaluate.outcomes import Floats

if TYPE_CHECKING:
    from acclimate.evaluate.written import Written, WrittenTally

ORDERS = (1, 2, 4)


def runs(texts: Written) -> Floats:
    """[N, 6] of each order 1, 2, 4 the number of different runs of words in a text, and of all of them."""
    from acclimate.evaluate.written import words

    rows = []
    for output in texts.outputs:
        said = words(output)
        row: list[int] = []
        for n in ORDERS:
            found = [tuple(said[at : at + n]) for at in range(len(said) - n + 1)]
            row += [len(set(found)), len(found)]
        rows.append(row)
    return np.array(rows, dtype=np.float64)


def distinct(tally: WrittenTally, n: int) -> Floats:
    """[R] the share of different ones; NaN where no text has so many words."""
    at = 2 * ORDERS.index(n)
    different, every = tally.sums(runs)[at : at + 2]
    return np.divide(different, every, out=np.full_like(every, np.nan), where=every > 0)
