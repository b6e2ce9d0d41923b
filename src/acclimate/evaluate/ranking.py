"""Candidates of questions, ranked by score: where the right ones stand.

A figure of a question stands at the first of its pairs and is 0 at the others, so that sums over pairs are sums over
questions, whatever was drawn; pairs of one question are to be drawn together (`Grouped`).

Legend: N pairs of a question and a candidate, Q questions, R weightings.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.outcomes import Floats, Outcomes, Tally


class RankedOutcomes(Outcomes):
    """Pairs that are right (class 1) or wrong (class 0), and the rank of each right one among its candidates."""

    def __init__(
        self, labels: NDArray[Any], scores: NDArray[Any], questions: NDArray[Any], ranks: NDArray[Any]
    ):
        """questions: [N] whatever is equal for pairs of one question. ranks: [N] from 1; of wrong pairs anything."""
        super().__init__(labels, scores)
        _, first, self.questions = np.unique(np.asarray(questions), return_index=True, return_inverse=True)
        self._first = first
        self.ranks = np.asarray(ranks)
        self._right = np.asarray(labels) == 1
        self.num_right = np.bincount(self.questions, weights=self._right, minlength=len(first))

    @property
    def notes(self) -> list[str]:
        silent = int((self.num_right == 0).sum())
        about = f"MRR and recall leave out {silent} questions without a right candidate"
        return [*super().notes, *([about] if silent else [])]

    @cached_property
    def asked(self) -> Floats:
        """[N] 1 at the first pair of each question that has a right candidate."""
        return self._placed((self.num_right > 0).astype(np.float64))

    @cached_property
    def reciprocal(self) -> Floats:
        """[N] 1 / rank of each question's best right candidate."""
        best = np.full(len(self._first), np.inf)
        np.minimum.at(best, self.questions[self._right], self.ranks[self._right])
        return self._placed(1 / best)

    def recalled(self, k: int) -> Floats:
        """[N] the share of each question's right candidates among its first k."""
        found = np.bincount(
            self.questions, weights=self._right & (self.ranks <= k), minlength=len(self._first)
        )
        return self._placed(found / np.maximum(self.num_right, 1))

    def _placed(self, figures: Floats) -> Floats:
        out = np.zeros(self.num_examples)
        out[self._first] = figures
        return out


def ranks_within(scores: NDArray[Any], questions: NDArray[Any]) -> NDArray[np.int64]:
    """[N] the rank of each pair among those of its question, from 1; of equal scores each has the last place of all,
    so that a model which scores everything alike finds nothing."""
    _, question = np.unique(np.asarray(questions), return_inverse=True)
    scores = np.asarray(scores, dtype=np.float64)
    order = np.lexsort((-scores, question))
    question, scores = question[order], scores[order]
    new = np.diff(question, prepend=-1) != 0
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(new, np.arange(len(order)), 0)) + 1
    run = np.cumsum(new | (np.diff(scores, prepend=np.nan) != 0)) - 1
    last = np.zeros(int(run[-1]) + 1, np.int64)
    np.maximum.at(last, run, place)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = last[run]
    return ranks


def mrr(tally: Tally) -> Floats:
    """Mean over questions of 1 / rank of the best right candidate."""
    return _mean(tally, tally.outcomes.reciprocal)  # type: ignore[attr-defined]


def recall_at(tally: Tally, k: int) -> Floats:
    """Mean over questions of the share of right candidates among the first k."""
    return _mean(tally, tally.outcomes.recalled(k))  # type: ignore[attr-defined]


def _mean(tally: Tally, figures: Floats) -> Floats:
    asked = tally.outcomes.asked @ tally.weights  # type: ignore[attr-defined]
    return np.where(asked > 0, figures @ tally.weights / np.where(asked > 0, asked, 1), np.nan)
