"""A fair sample of a stream of texts, the same in any order of reading, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from acclimate.corpus.choose.measuring import in_batches, places_of

LOOK_AT = 2000
"""Characters of a text that are looked at."""


class TextSample:
    """The beginnings of the texts with the smallest hashes, as many as there are characters for."""

    def __init__(self, characters: int) -> None:
        self._room = characters
        self._held = 0
        self._heap: list[tuple[int, str]] = []
        self._bar = 1 << 64

    def add_all(self, texts: Sequence[str]) -> None:
        for place, text in zip(places_of(texts).tolist(), texts, strict=True):
            if place < self._bar:
                heappush(self._heap, (-place, text[:LOOK_AT]))
                self._held += min(len(text), LOOK_AT)
                self._shrink()

    def _shrink(self) -> None:
        """Those with the greatest hashes go as long as the others fill the room."""
        while self._held - len(self._heap[0][1]) >= self._room:
            place, text = heappop(self._heap)
            self._held -= len(text)
            self._bar = -place

    def texts(self) -> list[str]:
        """The smallest hash first."""
        return [text for _, text in sorted(self._heap, reverse=True)]

    @classmethod
    def of(cls, texts: Iterable[str], characters: int) -> TextSample:
        sample = cls(characters)
        for batch in in_batches(texts):
            sample.add_all(batch)
        return sample
