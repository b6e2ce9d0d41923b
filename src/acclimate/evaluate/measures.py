"""Metrics as functions of a tally. Where precision, recall or F1 divide by nothing they are 0, as in scikit-learn.

Macro averages run over all classes the model knows, whether or not the test has examples of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.outcomes import Floats, Outcomes, Tally


class Counts(Protocol):
    """What precision, recall and F1 are made of: [C, R] weights of what is predicted and true, predicted, and true."""

    @property
    def hits(self) -> Floats: ...
    @property
    def predicted(self) -> Floats: ...
    @property
    def actual(self) -> Floats: ...


@dataclass(frozen=True)
class Measure:
    """A metric that is ready to use. Larger is better in all of them."""

    name: str
    """The registered name, such as `macro_f1`."""
    title: str
    """What a sentence calls it, such as `macro-F1`."""
    over: Callable[[Any], Floats]
    """[R] values for a tally of R weightings; NaN where the metric is not defined."""
    centred: bool = False
    """Whether resamples are moved so that their mean is the figure itself: where copies of an example agree with each
    other, as in clusters, resampling alone would lift the metric (Efron and Tibshirani 1993, chapter 10)."""

    def value(self, labels: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
        """Of labels [N] or [N, C] and logits [N, C], with weights [N] if given; NaN where it is not defined."""
        column = None if weights is None else np.asarray(weights, dtype=np.float64)[:, None]
        return float(self.over(Outcomes(labels, scores).weigh(column))[0])

    def values(self, labels: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any]) -> Floats:
        """[R] the value under each of the weightings [R, N]."""
        columns = np.ascontiguousarray(np.asarray(weights, dtype=np.float64).T)
        return self.over(Outcomes(labels, scores).weigh(columns))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)


def accuracy(tally: Tally) -> Floats:
    """Share of examples that are right; with several labels at once all of them must be."""
    return _ratio(tally.correct, tally.total)


def macro_precision(tally: Counts) -> Floats:
    return np.asarray(_ratio(tally.hits, tally.predicted).mean(axis=0))


def macro_recall(tally: Counts) -> Floats:
    return np.asarray(_ratio(tally.hits, tally.actual).mean(axis=0))


def f1_by_class(tally: Counts) -> Floats:
    """[C, R] harmonic mean of precision and recall of each class."""
    return _ratio(2 * tally.hits, tally.predicted + tally.actual)


def class_rows(names: Sequence[str], tally: Any) -> list[dict[str, Any]]:
    """Support, precision, recall and F1 of each class, as a report tells them; of the first weighting."""
    hits, predicted, actual = (rows[:, 0] for rows in (tally.hits, tally.predicted, tally.actual))
    precision, recall, f1 = _ratio(hits, predicted), _ratio(hits, actual), f1_by_class(tally)[:, 0]
    return [
        {
            "label": name,
            "support": int(actual[index]),
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "f1": float(f1[index]),
        }
        for index, name in enumerate(names)
    ]


def macro_f1(tally: Counts) -> Floats:
    return np.asarray(f1_by_class(tally).mean(axis=0))


def micro_precision(tally: Counts) -> Floats:
    return _ratio(tally.hits.sum(axis=0), tally.predicted.sum(axis=0))


def micro_recall(tally: Counts) -> Floats:
    return _ratio(tally.hits.sum(axis=0), tally.actual.sum(axis=0))


def micro_f1(tally: Counts) -> Floats:
    hits = tally.hits.sum(axis=0)
    return _ratio(2 * hits, tally.predicted.sum(axis=0) + tally.actual.sum(axis=0))


def f1_of_second(tally: Tally) -> Floats:
    """F1 of the second of two classes; NaN where there are not two."""
    f1 = f1_by_class(tally)
    return np.asarray(f1[1] if len(f1) == 2 else np.full(f1.shape[1], np.nan))


def matthews(tally: Tally) -> Floats:
    """Matthews' correlation of several classes (Gorodkin 2004), 0 where a side does not vary, as in scikit-learn."""
    if tally.outcomes.multi_label:
        return np.full(tally.total.shape, np.nan)
    shared = tally.correct * tally.total - (tally.predicted * tally.actual).sum(axis=0)
    spreads = [tally.total**2 - (one**2).sum(axis=0) for one in (tally.predicted, tally.actual)]
    return _ratio(shared, np.sqrt(spreads[0].clip(0) * spreads[1].clip(0)))


def auc(tally: Tally) -> Floats:
    """Mean of the areas that are defined; NaN where none is."""
    areas = tally.areas()
    defined = ~np.isnan(areas)
    num = defined.sum(axis=0)
    total = np.where(defined, areas, 0).sum(axis=0)
    return np.divide(total, num, out=np.full(num.shape, np.nan), where=num > 0)
