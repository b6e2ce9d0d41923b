"""Which language a text is in (py3langid: Lui and Baldwin 2012), and the languages of a corpus from a fair
sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from heapq import heappush, heappushpop

LOOK_AT = 2000
"""Characters of a text that are looked at."""


@cache
def _identifier() -> tuple[Callable[[str], tuple[str, float]], tuple[str, ...]]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return model.classify, tuple(sorted(set(model.labels)))


def language_of(text: str) -> tuple[str, float]:
    """(code, probability) of the language at the text's beginning; ISO 639 codes, `zh` for Chinese."""
    code, probability = _identifier()[0](text[:LOOK_AT])
    return code, probability


def known_languages() -> tuple[str, ...]:
    """The codes that `language_of` can give."""
    return _identifier()[1]


class LanguageSample:
    """Counts languages over the documents with the smallest hashes: a fair sample, the same in any order of
    reading.

    Looking at every document would take longer than all the rest. Memory: `size` beginnings of texts.
    """

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._heap: list[tuple[int, str]] = []
        self._bar = 1 << 128

    def add(self, digest: bytes, text: str) -> None:
        rank = int.from_bytes(digest, "big")
        if rank >= self._bar:
            return
        entry = (-rank, text[:LOOK_AT])
        if len(self._heap) < self._size:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)
        if len(self._heap) == self._size:
            self._bar = -self._heap[0][0]

    def count(self) -> tuple[dict[str, int], int]:
        """(code → documents in the sample, documents in the sample), most frequent first."""
        counts = Counter(language_of(text)[0] for _, text in self._heap)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))), len(self._heap)
