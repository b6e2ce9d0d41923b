"""Intervals by resampling: of a metric, of a ratio of sums, of the difference between two arms.

The draws depend on the seed and the number of examples alone. So two arms that are resampled one after the other are
resampled alike, and the difference of their draws is a paired one.

Legend: S seeds (trainings), N examples, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.measures import Measure
from acclimate.evaluate.outcomes import Floats

_CELLS = 2_000_000  # most weights held at once; bounds the memory for any number of examples


class Answered(Protocol):
    """A model's answers to the examples of a test, beside what is true."""

    @property
    def num_examples(self) -> int: ...

    def weigh(self, weights: Floats | None = None) -> Any:
        """What metrics are functions of, under weights [N, R]; under equal ones (R = 1) when none are given."""
        ...


@dataclass(frozen=True)
class Interval:
    """A figure with its interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Difference:
    """Two arms on the same examples and seeds; the difference is `with_` minus `without`."""

    with_: float
    without: float
    difference: float
    low: float
    high: float
    p_value: float
    """Two-sided, from the share of resampled differences on the rarer side of 0; never below 2 / (R + 1)."""


@dataclass(frozen=True)
class Draws:
    """A metric on the test as it is, and on every resample of it."""

    points: Floats
    """[S]"""
    resampled: Floats
    """[S, R]; NaN where the metric is not defined on the resample."""


class Resampling:
    """Percentile bootstrap. See the settings in `bootstrap.py`."""

    def __init__(self, *, resamples: int = 1000, level: float = 0.95, seed: int = 0) -> None:
        self.resamples = resamples
        self.level = level
        self._seed = seed

    def _weights(self, num: int) -> Iterator[Floats]:
        """[N, r] pieces, R columns in all: how often each of N was drawn."""
        rng = np.random.default_rng([self._seed, 0])
        piece = max(1, _CELLS // num)
        for start in range(0, self.resamples, piece):
            size = min(piece, self.resamples - start)
            drawn = rng.integers(0, num, size=(size, num)) * size + np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * num).reshape(num, size).astype(np.float64)

    def _mean_over_seeds(self, resampled: Floats) -> Floats:
        """[R] from [S, R]: the mean over S seeds drawn with replacement for each resample."""
        num_seeds = len(resampled)
        picks = np.random.default_rng([self._seed, 1]).integers(
            0, num_seeds, size=(num_seeds, self.resamples)
        )
        return np.asarray(np.take_along_axis(resampled, picks, axis=0).mean(axis=0))

    def _ends(self, sample: Floats) -> tuple[float, float]:
        tail = (1 - self.level) / 2
        low, high = np.quantile(sample, [tail, 1 - tail])
        return float(low), float(high)

    def draw(self, measures: Mapping[str, Measure], outcomes: Sequence[Answered]) -> dict[str, Draws]:
        """All measures on the outcomes of each of S trainings, in one pass over the resamples."""
        plain = [one.weigh() for one in outcomes]
        pieces: dict[str, list[Floats]] = {name: [] for name in measures}
        for weights in self._weights(outcomes[0].num_examples):
            tallies = [one.weigh(weights) for one in outcomes]
            for name, measure in measures.items():
                pieces[name].append(np.stack([measure.over(tally) for tally in tallies]))
        found = {}
        for name, measure in measures.items():
            points = np.array([float(measure.over(tally)[0]) for tally in plain])
            resampled = np.concatenate(pieces[name], axis=1)
            if measure.centred:
                resampled = resampled + (points - np.nanmean(resampled, axis=1))[:, None]
            found[name] = Draws(points, resampled)
        return found

    def summarise(self, draws: Draws) -> Interval | None:
        """The mean over seeds with its interval; nothing where the metric is not defined on the test.

        Resamples on which it is not defined (a class was never drawn) are left out.
        """
        value = float(draws.points.mean())
        sample = self._mean_over_seeds(draws.resampled)
        sample = sample[~np.isnan(sample)]
        if np.isnan(value) or not len(sample):
            return None
        return Interval(value, *self._ends(sample))

    def compare(self, with_: Draws, without: Draws) -> Difference | None:
        """The paired difference of one metric: the same resamples, seed by seed. Nothing where it is undefined."""
        if with_.resampled.shape != without.resampled.shape:
            raise ValueError(f"arms of {len(with_.points)} and {len(without.points)} seeds cannot be paired")
        value = float((with_.points - without.points).mean())
        sample = self._mean_over_seeds(with_.resampled - without.resampled)
        sample = sample[~np.isnan(sample)]
        if np.isnan(value) or not len(sample):
            return None
        rarer = min(int((sample <= 0).sum()), int((sample >= 0).sum()))
        p_value = min(1.0, 2 * (1 + rarer) / (1 + len(sample)))
        low, high = self._ends(sample)
        return Difference(float(with_.points.mean()), float(without.points.mean()), value, low, high, p_value)

    def ratio_interval(
        self, sums: NDArray[Any], counts: NDArray[Any], groups: NDArray[Any] | None = None
    ) -> Interval:
        """Of sum(sums) / sum(counts), both [N]. With groups [N] (the document of each window) whole groups are drawn.

        Raises ValueError where the counts do not add up to more than nothing, or where something is not finite.
        """
        pair = np.stack([np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)])
        if not np.isfinite(pair).all() or not pair.shape[1] or pair[1].sum() <= 0 or (pair[1] < 0).any():
            raise ValueError("a ratio needs finite sums and counts that are not negative and not all zero")
        if groups is not None:
            _, index = np.unique(groups, return_inverse=True)
            pair = np.stack([np.bincount(index, weights=row) for row in pair])
        drawn = np.concatenate([pair @ weights for weights in self._weights(pair.shape[1])], axis=1)
        sample = drawn[0][drawn[1] > 0] / drawn[1][drawn[1] > 0]
        return Interval(float(pair[0].sum() / pair[1].sum()), *self._ends(sample))

    def sums_interval(self, rows: NDArray[Any], figure: Callable[[Floats], float]) -> Interval:
        """Of a figure of the column sums [K] of rows [N, K], such as a corpus' BLEU of what each text adds to it."""
        rows = np.asarray(rows, dtype=np.float64)
        sums = np.concatenate([weights.T @ rows for weights in self._weights(len(rows))])
        return Interval(figure(rows.sum(axis=0)), *self._ends(np.array([figure(one) for one in sums])))
