"""The texts that a model is judged by, and what was found of one in a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class HeldOutText:
    """A text of a validation or test set."""

    task: str
    """Name of the task; empty for a set that belongs to none."""
    split: str
    """`validation` or `test`."""
    id: str
    """File and line, or whatever names it there."""
    text: str

    def __str__(self) -> str:
        return f"the {self.split} text {self.id}" + (f" of task {self.task}" if self.task else "")


How = Literal["equal", "near", "holds"]


@dataclass(frozen=True, slots=True)
class Match:
    """One held-out text that was found in a document."""

    how: How
    """The document equals it (but for case, punctuation, white space), nearly equals it, or holds a part of it."""
    text: int
    """Its number in the index."""
    similarity: float
    """Jaccard similarity of document and text for `near`, 1 for `equal`, 0 for `holds`."""
    excerpt: str
    """What both have in common for `holds`: the words in a row, in their normal form."""


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found in one document."""

    matches: list[Match]
    """Equal texts first, then near ones, then those of which a part is there; of each kind in the index's order, the
    first hundred."""
    texts: list[int]
    """The numbers of all texts that were found."""
    spans: list[tuple[int, int]]
    """The characters [start, end) of the document that it shares, apart and in order."""
    share: float
    """Share of the document's words in these spans."""
