"""How much of each source the training text holds: p ∝ n^α, or weights by name (Conneau and Lample 2019).

A source that is to give less than it has loses the documents with the greatest hashes; one that is to give more gives
whole copies of all its documents, and one more of those with the smallest hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.choose.measuring import first_until, measure
from acclimate.errors import UserError
from acclimate.progress import Tell
from acclimate.recipe.corpus_section import Mix
from acclimate.recipe.weighing import weights_of

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool


class Mixing:
    """Drops documents of the training part as `over_share`, and repeats others."""

    def __init__(
        self, mix: Mix, sources: Sequence[str], in_training: Callable[[Pool], NDArray[np.bool_]]
    ) -> None:
        """`sources`: their names in reading order. `in_training`: [N] which documents will be trained on."""
        self._mix = mix
        self._sources = list(sources)
        self._in_training = in_training
        self._weights = None if mix.weights is None else np.array(weights_of(mix.weights, self._sources))

    def __call__(self, pool: Pool, tell: Tell) -> dict[str, Any]:
        unit = self._mix.unit
        measured = measure(pool, unit, tell)
        trained = self._in_training(pool) & pool.alive
        own = [trained & (pool.source_numbers == number) for number in range(len(self._sources))]
        available = np.array([measured.sizes[one].sum() for one in own], dtype=np.float64)
        shares = mixing_shares(available, self._mix.alpha, self._weights)
        size = available.sum() if self._mix.size is None else self._mix.size
        wanted = np.minimum(shares * size, available * self._mix.most_copies)
        copies = np.ones(len(pool), dtype=np.int32)
        for one, amount in zip(own, wanted.tolist(), strict=True):
            copies[one] = copies_for(measured.places[one], measured.sizes[one], amount)
        for number in np.flatnonzero(trained & (copies == 0)).tolist():
            source = pool.source_numbers[number]
            detail = (
                f"{self._sources[source]} gives {wanted[source]:,.0f} of its {available[source]:,.0f} {unit}"
            )
            pool.drop(number, "over_share", detail)
        pool.copies = copies
        sources = [
            {
                "source": name,
                "available": int(available[number]),
                "share": float(shares[number]),
                "wanted": round(wanted[number]),
                "given": int((measured.sizes[own[number]] * copies[own[number]]).sum()),
                "repeated": int(np.maximum(copies[own[number]] - 1, 0).sum()),
            }
            for number, name in enumerate(self._sources)
        ]
        return {"unit": unit, "sources": sources}


def mixing_shares(
    available: NDArray[np.float64], alpha: float | None, weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """[S] the share of each source: its weight, or its size to the power α; nothing for a source without text."""
    powers = np.maximum(available, 1) ** (alpha or 0) if weights is None else weights
    powers = np.where(available > 0, powers, 0.0)
    total = powers.sum()
    if not total:
        raise UserError("corpus.mix: every source that has any text has the weight 0; nothing is left")
    return np.asarray(powers / total)


def copies_for(places: NDArray[np.uint64], sizes: NDArray[np.int64], amount: float) -> NDArray[np.int32]:
    """[n] how often each document of a source stands, for the sum of sizes that comes nearest to an amount."""
    total = int(sizes.sum())
    whole, rest = divmod(amount, total) if total else (0, 0.0)
    copies = np.full(len(places), int(whole), dtype=np.int32)
    order = np.argsort(places, kind="stable")
    copies[first_until(order, sizes, rest)] += 1
    return copies
