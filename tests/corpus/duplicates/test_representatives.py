from __future__ import annotations

import random

import numpy as np
import pytest

from acclimate.corpus.duplicates import representatives as module
from acclimate.corpus.duplicates.near import _Held as Held
from acclimate.corpus.duplicates.near import group_similar
from acclimate.corpus.duplicates.representatives import representatives


def chains(source: random.Random, *, chinese: bool) -> list[str]:
    """Texts that drift: each a little unlike the one it was made of."""
    texts = []
    for _ in range(6):
        words = [
            source.choice("春夏秋冬东南西北上下左右") if chinese else f"w{source.randrange(10**6)}"
            for _ in range(60)
        ]
        for _ in range(source.randrange(4, 14)):
            texts.append(("" if chinese else " ").join(words))
            words = list(words)
            for _ in range(1 + (source.random() < 0.3)):
                words[source.randrange(60)] = "新" if chinese else f"n{source.randrange(10**6)}"
    source.shuffle(texts)
    return texts


def oracle(texts: list[str], *, chinese: bool) -> list[set[tuple[str, ...]]]:
    split = [list(text) if chinese else text.split() for text in texts]
    return [{tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in split]


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("small", [64, 2])
@pytest.mark.parametrize("seed", range(4))
def test_every_text_is_dropped_for_a_kept_text_that_it_is_truly_similar_to(
    seed: int, small: int, chinese: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL", small)
    monkeypatch.setattr(module, "_CHUNK", 5)
    texts = chains(random.Random(seed), chinese=chinese)
    threshold = 0.7
    store = Held(texts, threshold)
    found = representatives(store, group_similar(store, threshold), threshold)
    sets = oracle(texts, chinese=chinese)
    kept: list[int] = []
    chained = 0
    for number, own in enumerate(sets):
        similar = [
            (first, len(own & sets[first]) / len(own | sets[first]))
            for first in kept
            if len(own & sets[first]) / len(own | sets[first]) >= threshold
        ]
        if similar:  # greedy in reading order, by brute force over all pairs
            assert (int(found.kept_for[number]), float(found.similarity[number])) == pytest.approx(similar[0])
        else:
            assert found.kept_for[number] == number and found.similarity[number] == 1
            kept.append(number)
            others = range(number)
            chained += any(len(own & sets[o]) / len(own | sets[o]) >= threshold for o in others)
    assert len(kept) < len(texts)
    assert chained, "no text is near to a dropped one only: the chains of this test are too short"


def test_a_chain_is_not_dropped_for_its_first() -> None:
    words = [f"w{n}" for n in range(100)]
    texts = []
    for step in range(5):
        texts.append(" ".join([f"x{n}" for n in range(6 * step)] + words[6 * step :]))
    store = Held(texts, 0.8)
    groups = group_similar(store, 0.8)
    assert groups.tolist() == [0] * 5  # as one chain
    found = representatives(store, groups, 0.8)
    assert found.kept_for.tolist() == [0, 0, 2, 2, 4]


def test_texts_alone_stay() -> None:
    found = representatives(Held(["a b c", "d e f", "..."], 0.8), np.arange(3), 0.8)
    assert found.kept_for.tolist() == [0, 1, 2] and found.similarity.tolist() == [1, 1, 1]
    none = representatives(Held([], 0.8), np.zeros(0, np.int64), 0.8)
    assert none.kept_for.tolist() == []
