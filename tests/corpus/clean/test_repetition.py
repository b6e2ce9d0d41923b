from __future__ import annotations

import random
from collections import Counter

import pytest

from acclimate.corpus.clean.repetition import (
    _hashed,
    duplicate_ngram_share,
    repeated_share,
    top_ngram_share,
)


def plain_top(words: list[str], n: int) -> float:
    """The same figure by counting."""
    grams = Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))
    most = max(grams.values())
    if most < 2:
        return 0.0
    size = max(sum(map(len, gram)) for gram, count in grams.items() if count == most)
    return min(1.0, most * size / sum(map(len, words)))


def plain_duplicates(words: list[str], n: int) -> float:
    seen: set[tuple[str, ...]] = set()
    covered = set()
    for at in range(len(words) - n + 1):
        gram = tuple(words[at : at + n])
        if gram in seen:
            covered.update(range(at, at + n))
        seen.add(gram)
    return sum(len(words[at]) for at in covered) / sum(map(len, words))


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_shares_equal_those_counted_plainly(n: int) -> None:
    random_ = random.Random(n)
    for _ in range(40):
        words = random_.choices(["a", "bb", "ccc", "好", "dddd"], k=random_.randint(n + 1, 60))
        hashes, lengths = _hashed(words)
        assert top_ngram_share(hashes, lengths, n) == pytest.approx(plain_top(words, n))
        assert duplicate_ngram_share(hashes, lengths, n) == pytest.approx(plain_duplicates(words, n))


def test_texts_shorter_than_the_ngram_repeat_nothing() -> None:
    for words in ([], ["a"], ["a", "a"]):
        hashes, lengths = _hashed(words)
        assert top_ngram_share(hashes, lengths, 2) == 0
        assert duplicate_ngram_share(hashes, lengths, 5) == 0


def test_repeated_lines() -> None:
    assert repeated_share(["ab", "ab", " ", "cd", "ab "]) == (0.5, 0.5)
    assert repeated_share([" "]) == (0, 0)
