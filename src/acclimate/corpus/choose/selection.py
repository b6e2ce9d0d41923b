"""Keeping the documents that are most like a target: what the methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from acclimate.corpus.choose.measuring import first_until, measure
from acclimate.corpus.document import Document
from acclimate.errors import UserError
from acclimate.progress import Tell
from acclimate.recipe.portions import Portion
from acclimate.recipe.roles import Reader
from acclimate.recipe.settings import Component, problem

if TYPE_CHECKING:
    from acclimate.corpus.pool import Pool

Texts = Callable[[], Iterator[str]]
"""The target's texts, from the first one again with each call."""
Scores = Callable[["Pool", Texts, Tell], NDArray[np.float64]]
"""[N] how much each document is wanted, for each that is alive; −inf: not at all."""


class Selection(Component):
    """Which documents are kept for being like a target: what the ways to select have in common."""

    target: Reader | None = None
    """Text of the kind that is wanted: `{path: …}` for files, or a named reader. This, or `task`."""
    task: str | None = None
    """A task of this recipe, whose training examples are the target; its test is not looked at."""
    keep: Portion | None
    """How much stays, the best first: a share of the documents, or an amount such as `2M words`."""

    @model_validator(mode="after")
    def _one_target(self) -> Selection:
        if (self.target is None) == (self.task is None):
            raise problem("give one of `target`, a source of text, and `task`, the name of a task")
        return self

    def build(self, *, task_texts: Callable[[str], Iterable[str]]) -> Selecting:
        """`task_texts` gives the training texts of a task by its name."""
        return Selecting(self.registered_as[1], self.scores(), self._texts(task_texts), self.keep)

    def settings(self) -> dict[str, Any]:
        """What decides the choice besides the target's content."""
        return {self.registered_as[1]: self.model_dump(mode="json", exclude={"target"})}

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any] | None:
        """Identity of the target by content; none where it is a task."""
        return None if self.target is None else self.target.build().fingerprint(digests)

    def scores(self) -> Scores:
        """What a way to select consists of."""
        raise NotImplementedError

    def _texts(self, task_texts: Callable[[str], Iterable[str]]) -> Texts:
        def texts() -> Iterator[str]:
            if self.task is not None:
                yield from task_texts(self.task)
            elif self.target is not None:
                yield from (one.text for one in self.target.build().read() if isinstance(one, Document))

        return texts


class Selecting:
    """Drops as `not_selected` all but the documents that score best."""

    def __init__(self, method: str, scores: Scores, texts: Texts, keep: Portion | None) -> None:
        self._method, self._scores, self._texts, self._keep = method, scores, texts, keep

    def __call__(self, pool: Pool, tell: Tell) -> dict[str, Any]:
        if next(self._texts(), None) is None:
            raise UserError(f"corpus.select.{self._method}: the target has no text")
        scores = self._scores(pool, self._texts, tell)
        keep = self._keep
        unit = "documents" if keep is None or keep.unit == "share" else keep.unit
        measured = measure(pool, unit, tell)
        living = np.flatnonzero(pool.alive)
        found = living[scores[living] > -np.inf]
        order = found[np.lexsort((measured.places[found], -scores[found]))]
        if keep is not None:
            order = first_until(order, measured.sizes, keep.of(int(measured.sizes[living].sum())))
        chosen = np.zeros(len(pool), dtype=np.bool_)
        chosen[order] = True
        least = float(scores[order[-1]]) if len(order) else np.inf
        for number in living[~chosen[living]].tolist():
            detail = f"{self._method}: {scores[number]:.4g}, what was kept has {least:.4g} or more"
            pool.drop(number, "not_selected", detail)
        return {
            "method": self._method,
            "documents": len(living),
            "selected": len(order),
            "least": least if len(order) else None,
        }
