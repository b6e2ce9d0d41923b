"""A part of the corpus, chosen by a hash of each document: the same one in every run, whatever else is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.choose.measuring import Measured, first_until, measure
from acclimate.progress import Tell
from acclimate.recipe.portions import Portion

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool


class Sampling:
    """Keeps a share of the documents, or as many as come nearest to an amount; the others are `not_sampled`.

    A share keeps every document whose hash lies below it: more documents never move one out. An amount keeps those
    with the smallest hashes: more documents may push one out, but bring none in that was out before.
    """

    def __init__(self, portion: Portion) -> None:
        self._portion = portion

    def __call__(self, pool: Pool, tell: Tell) -> None:
        unit = "documents" if self._portion.unit == "share" else self._portion.unit
        kept = sampled(measure(pool, unit, tell), pool.alive, self._portion)
        for number in np.flatnonzero(pool.alive & ~kept).tolist():
            pool.drop(number, "not_sampled", f"by its hash not in the sample of {self._portion}")


def sampled(measured: Measured, alive: NDArray[np.bool_], portion: Portion) -> NDArray[np.bool_]:
    """[N] which documents stay."""
    kept = np.zeros(len(alive), dtype=np.bool_)
    if portion.unit == "share":
        # 2**64 · share, below which a uniform 64-bit number falls with that probability.
        kept[alive] = measured.places[alive].astype(np.float64) < portion.amount * 2.0**64
        return kept if portion.amount < 1 else alive.copy()
    living = np.flatnonzero(alive)
    order = living[np.argsort(measured.places[living], kind="stable")]
    kept[first_until(order, measured.sizes, portion.amount)] = True
    return kept
