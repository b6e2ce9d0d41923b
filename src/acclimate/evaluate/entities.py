"""Entities found and missed: spans that are right in label and borders (Tjong Kim Sang & De Meulder 2003).

Legend: N texts, C labels, R weightings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.measures import class_rows
from acclimate.evaluate.outcomes import Floats

_SHOWN = 20
"""Texts shown, and errors shown."""
_MOST_CHARACTERS = 500
"""Longer texts are cut where they are shown."""


class Entity(NamedTuple):
    """A labelled stretch of a text, the end exclusive."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class EntityTally:
    """Weighted sums over texts: what precision, recall and F1 are made of."""

    hits: Floats
    """[C, R] found."""
    predicted: Floats
    """[C, R] claimed."""
    actual: Floats
    """[C, R] there."""


class EntityOutcomes:
    """Entities beside those that a model says there are."""

    def __init__(
        self,
        labels: Sequence[str],
        truth: Sequence[AbstractSet[Entity]],
        predicted: Sequence[AbstractSet[Entity]],
        unsaid: Mapping[str, int] | None = None,
    ) -> None:
        """unsaid: how many of the true ones no tags could say, by reason. Raises ValueError for a label that is
        none, or lists of other lengths."""
        if len(truth) != len(predicted):
            raise ValueError(f"{len(truth)} texts, answers to {len(predicted)}")
        self.labels, self.truth, self.predicted = list(labels), truth, predicted
        self._unsaid = Counter(unsaid or {})
        number = {label: index for index, label in enumerate(labels)}
        self._counts: NDArray[np.int64] = np.zeros((len(truth), 3, len(labels)), np.int64)
        for row, (there, claimed) in enumerate(zip(truth, predicted, strict=True)):
            for kind, some in enumerate((there & claimed, claimed, there)):
                for one in some:
                    if one.label not in number:
                        raise ValueError(f"the label {one.label!r} is not among {', '.join(labels)}")
                    self._counts[row, kind, number[one.label]] += 1

    @property
    def num_examples(self) -> int:
        return len(self.truth)

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know."""
        total = sum(map(len, self.truth))
        words = {
            "inside_a_word": "begin or end inside a word",
            "over_another": "lie over another one that is said",
        }
        cannot = f"of {total} entities of the test cannot be said by tags, and count as missed: they"
        return [f"{number} {cannot} {words[reason]}" for reason, number in sorted(self._unsaid.items())]

    @cached_property
    def _counters(self) -> Any:
        """Sparse [3C, N]."""
        from scipy.sparse import csr_array

        return csr_array(self._counts.reshape(len(self._counts), -1).T.astype(np.float64))

    def weigh(self, weights: Floats | None = None) -> EntityTally:
        """The sums under weights [N, R]; under equal ones (R = 1) when none are given."""
        if weights is None:
            weights = np.ones((self.num_examples, 1))
        return EntityTally(*(self._counters @ weights).reshape(3, len(self.labels), -1))

    @cached_property
    def errors(self) -> NDArray[np.int64]:
        """[N] entities that are missed, and those that are not there."""
        hits, predicted, actual = self._counts.sum(axis=2).T
        return np.asarray(predicted + actual - 2 * hits)


def details(texts: Sequence[str], outcomes: EntityOutcomes) -> dict[str, Any]:
    """What stands in evaluation.json besides the figures, all of the delivered model: each label, some texts, and those
    with most errors."""
    num = outcomes.num_examples
    chosen = np.sort(np.random.default_rng(num).choice(num, size=min(num, _SHOWN), replace=False))
    worst = np.argsort(-outcomes.errors, kind="stable")[:_SHOWN]
    return {
        "labels": outcomes.labels,
        "per_class": class_rows(outcomes.labels, outcomes.weigh()),
        "examples": [_shown(texts, outcomes, index) for index in chosen.tolist()],
        "worst": [_shown(texts, outcomes, index) for index in worst.tolist() if outcomes.errors[index]],
    }


def _shown(texts: Sequence[str], outcomes: EntityOutcomes, index: int) -> dict[str, Any]:
    text = texts[index]
    return {
        "text": text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…",
        "label": _named(text, outcomes.truth[index]),
        "predicted": _named(text, outcomes.predicted[index]),
        "errors": int(outcomes.errors[index]),
    }


def _named(text: str, entities: AbstractSet[Entity]) -> list[str]:
    """`PER: John Smith` of each, in the order of the text."""
    found = sorted(entities, key=lambda one: (one.start, one.end, one.label))
    return [f"{one.label}: {text[one.start : one.end]}" for one in found] or ["(none)"]
