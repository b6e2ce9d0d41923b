"""What goes between the endpoints and the models: queries, texts as tokens, plain results. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Query:
    """A text as it was asked."""

    text: str
    pair: str | None = None
    top: int = 0
    """Proposals wanted for each mask; 0 where masks are plain tokens."""


@dataclass(frozen=True)
class Item:
    """A text as the model sees it."""

    tokens: NDArray[np.int64]
    segments: NDArray[np.int64]
    truncated: bool
    masks: tuple[tuple[int, int], ...] = ()
    """(place among the tokens, where it starts in the text) of each mask token."""
    top: int = 0

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)


class Proposal(NamedTuple):
    """One vocabulary entry for a mask."""

    token: str
    text: str
    probability: float


@dataclass(frozen=True)
class Classified:
    probabilities: NDArray[Any]
    """[C]"""
    item: Item


@dataclass(frozen=True)
class Filled:
    proposals: list[list[Proposal]]
    """For each mask of the item, most probable first."""
    item: Item


@dataclass(frozen=True)
class Embedded:
    vector: NDArray[Any]
    """[H]"""
    item: Item
