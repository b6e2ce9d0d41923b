"""Which language a text is in, and the languages of a corpus from a fair sample.

Scripts decide first where they can: Han characters without kana are Chinese, with kana Japanese; so a title of two
characters is judged as well as a page. All else is guessed by py3langid (Lui and Baldwin 2012).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from heapq import heappush, heappushpop
from typing import Any

import numpy as np

from acclimate.corpus.spill import digests_of
from acclimate.corpus.split import split_keys

LOOK_AT = 2000
"""Characters of a text that are looked at."""
_NOT_HAN = re.compile(r"[^\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_NO_LETTER = re.compile(r"[\W\d_]+")
_HAN_SHARE = 0.3
"""Share of letters that are Han from where on a text is Chinese or Japanese: a Han character says what takes several
Latin letters."""
_KANA_SHARE = 0.05
"""Of Han and kana; a Chinese text may name a Japanese product."""
_CHINESE = frozenset(("wuu", "yue"))
"""Codes that the model has for other Chinese languages; written without their own characters nothing tells them from
`zh`."""
NO_LANGUAGE = "zxx"
"""The code of a text without letters (ISO 639-2: no linguistic content)."""
_SAMPLED = 600
"""The same of a text of the sample, which is for a share of many texts: a wrong guess in a hundred does no harm."""


@cache
def _identifier() -> tuple[Callable[[str], tuple[str, float]], tuple[str, ...]]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return model.classify, tuple(sorted({*model.labels, NO_LANGUAGE} - _CHINESE))


def language_of(text: str) -> tuple[str, float]:
    """(code, probability) of the language of a text; ISO 639 codes, `zh` for Chinese, `zxx` for none at all.

    Of a long text its beginning, middle and end are looked at.
    """
    text = _excerpt(text)
    letters = len(_NO_LETTER.sub("", text))
    if not letters:
        return NO_LANGUAGE, 1.0
    han = 0 if text.isascii() else len(_NOT_HAN.sub("", text))
    if han:
        kana = len(_KANA.findall(text))
        if han + kana > _HAN_SHARE * letters:
            return ("ja" if kana > _KANA_SHARE * (han + kana) else "zh"), 1.0
    code, probability = _identifier()[0](text)
    return ("zh" if code in _CHINESE else code), probability


def _excerpt(text: str, size: int = LOOK_AT) -> str:
    if len(text) <= size:
        return text
    piece, middle = size // 3, len(text) // 2
    return " ".join((text[:piece], text[middle - piece // 2 : middle + piece // 2], text[-piece:]))


def known_languages() -> tuple[str, ...]:
    """The codes that `language_of` can give."""
    return _identifier()[1]


class LanguageSample:
    """Counts languages over the documents with the smallest hashes: a fair sample, the same in any order of
    reading.

    Looking at every document would take longer than all the rest. Memory: `size` excerpts of texts.
    """

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._heap: list[tuple[int, str]] = []
        self._bar = 1 << 128

    def add(self, digest: bytes, text: str) -> None:
        rank = int.from_bytes(digest, "big")
        if rank >= self._bar:
            return
        entry = (-rank, _excerpt(text, _SAMPLED))
        if len(self._heap) < self._size:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)
        if len(self._heap) == self._size:
            self._bar = -self._heap[0][0]

    def add_all(self, digests: Any, texts: Any) -> None:
        """Columns of ids (16 bytes each) and texts; only the few that may come into the sample are looked at."""
        first = split_keys(digests_of(digests))
        for row in np.flatnonzero(first <= min(self._bar >> 64, 2**64 - 1)).tolist():
            self.add(digests[row].as_py(), texts[row].as_py())

    def count(self) -> tuple[dict[str, int], int]:
        """(code → documents in the sample, documents in the sample), most frequent first."""
        counts = Counter(language_of(text)[0] for _, text in self._heap)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))), len(self._heap)
