"""Examples that are drawn together in a resample: the candidates of one question, the questions about one text.

Legend: N examples, G groups, R weightings.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluate.outcomes import Floats
from acclimate.evaluate.resampling import Answered

T = TypeVar("T", bound=Answered)


class Grouped(Generic[T]):
    """Outcomes of examples that hang together: a group is drawn whole, so that intervals hold for new groups."""

    def __init__(self, inner: T, groups: NDArray[Any]) -> None:
        """groups: [N] whatever is equal within a group."""
        _, self._group = np.unique(np.asarray(groups), return_inverse=True)
        if len(self._group) != inner.num_examples:
            raise ValueError(f"{len(self._group)} groups for {inner.num_examples} examples")
        self.inner = inner

    @property
    def notes(self) -> list[str]:
        return list(getattr(self.inner, "notes", []))

    @property
    def num_examples(self) -> int:
        """G, what is drawn."""
        return int(self._group.max()) + 1

    def weigh(self, weights: Floats | None = None) -> Any:
        """Under weights of groups [G, R]."""
        return self.inner.weigh(None if weights is None else weights[self._group])
