"""What a search engine looks for: words, and pairs of characters where there are no spaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.words import mix, words_of


def terms_of(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(hash, text) of every term.

    Terms are casefolded words; of scripts without spaces every two characters that stand side by side, as in Lucene's
    analyser for Chinese, and a character that has no neighbour.
    """
    words = words_of(texts)
    if not len(words.hashes):
        return words.hashes, words.owners
    side_by_side = words.alone[:-1] & words.alone[1:] & (np.diff(words.starts) == 1)
    first, second = words.hashes[:-1][side_by_side], words.hashes[1:][side_by_side]
    has_neighbour = np.concatenate([side_by_side, [False]]) | np.concatenate([[False], side_by_side])
    single = ~has_neighbour
    return (
        np.concatenate([words.hashes[single], mix(mix(first) + second)]),
        np.concatenate([words.owners[single], words.owners[:-1][side_by_side]]),
    )
