from __future__ import annotations

import random

import numpy as np
import pytest

from acclimate.corpus.duplicates.near import Groups, _candidates, near_groups, similarities
from acclimate.corpus.duplicates.near import _Held as Held
from acclimate.errors import UserError


def changed(words: list[str], share: float, source: random.Random) -> list[str]:
    return [f"new{source.randrange(10**9)}" if source.random() < share else word for word in words]


def family(source: random.Random, copies: int, *, chinese: bool) -> list[str]:
    """A text and copies with one place in a hundred changed."""
    if chinese:
        base = [chr(source.randrange(0x4E00, 0x9000)) for _ in range(300)]
        other = [
            [chr(source.randrange(0x4E00, 0x9000)) if at == n * 7 else c for at, c in enumerate(base)]
            for n in range(copies)
        ]
        return ["".join(one) for one in [base, *other]]
    base = [f"w{source.randrange(5000)}" for _ in range(300)]
    return [
        " ".join(base),
        *(" ".join([*base[: 40 * n], "changed", *base[40 * n + 1 :]]) for n in range(1, copies + 1)),
    ]


@pytest.mark.parametrize("chinese", [False, True])
def test_families_are_found_and_strangers_are_not(chinese: bool) -> None:
    source = random.Random(5)
    texts: list[str] = []
    expected: list[int] = []
    for _ in range(60):
        start = len(texts)
        members = family(source, 3, chinese=chinese)
        texts += members
        expected += [start] * len(members)
    order = list(range(len(texts)))
    source.shuffle(order)
    groups = near_groups([texts[at] for at in order], 0.8)
    first: dict[int, int] = {}
    wanted = [first.setdefault(expected[at], number) for number, at in enumerate(order)]
    assert groups.tolist() == wanted


def test_the_true_similarity_decides() -> None:
    words = [f"w{n}" for n in range(104)]  # 100 shingles
    half = words[:-12]  # 88 of them
    assert near_groups([" ".join(words), " ".join(half)], 0.87).tolist() == [0, 0]
    assert near_groups([" ".join(words), " ".join(half)], 0.89).tolist() == [0, 1]
    store = Held([" ".join(words), " ".join(half), "", "x"], 0.8)
    pairs = np.array([[0, 0], [0, 1], [1, 0], [0, 3], [2, 2]])
    assert similarities(store, pairs[:, 0], pairs[:, 1]).tolist() == [1, 0.88, 0.88, 0, 0]


def test_texts_without_words_are_like_no_other() -> None:
    assert near_groups(["...", "!!!", "", "...", "same", "same"], 0.8).tolist() == [0, 1, 2, 3, 4, 4]
    assert near_groups([], 0.8).tolist() == []


def test_a_bucket_of_many_copies_is_one_group() -> None:
    texts = ["the very same notice stands on every page of this site"] * 300 + [
        "something else altogether is said here"
    ]
    assert near_groups(texts, 0.8).tolist() == [0] * 300 + [300]


def test_no_two_kept_texts_are_near_also_in_large_buckets() -> None:
    """A shared frame around differing middles: many share bands, some are near, some are not."""
    source = random.Random(9)
    frame = [f"f{n}" for n in range(60)]
    texts = [
        " ".join(frame + [f"m{source.randrange(4)}x{k}" for k in range(source.randrange(5, 60))])
        for _ in range(250)
    ]
    threshold = 0.7
    groups = near_groups(texts, threshold)
    kept = np.unique(groups)
    assert 1 < len(kept) < len(texts)
    store = Held(texts, threshold)
    left, right = np.triu_indices(len(kept), 1)
    missed = similarities(store, kept[left], kept[right]) >= threshold
    # Bands find 99 in 100 pairs at the threshold itself, more above it.
    assert missed.mean() < 0.002
    for number in np.flatnonzero(groups != np.arange(len(groups))):
        family_ = np.flatnonzero(groups == groups[number])
        others = family_[family_ != number]
        assert similarities(store, np.full(len(others), number), others).max() >= threshold


def test_union_find_agrees_with_flooding() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 200, (150, 2))
    groups = Groups(200)
    groups.join(pairs[:75, 0], pairs[:75, 1])
    groups.join(pairs[75:, 0], pairs[75:, 1])
    labels = np.arange(200)
    for _ in range(200):
        for one, other in pairs:
            labels[one] = labels[other] = min(labels[one], labels[other])
    assert groups.all().tolist() == labels.tolist()


def test_a_threshold_that_joins_everything_is_refused() -> None:
    with pytest.raises(UserError, match=r"threshold 0\.05: too low to mean anything; choose at least 0\.1"):
        near_groups(["a", "b"], 0.05)


def test_in_large_buckets_leaders_meet_all_others_and_joined_texts_rest() -> None:
    same = np.zeros(100, dtype=np.uint64)
    seen = {
        tuple(pair)
        for left, right in _candidates(same, same == 0, Groups(100))
        for pair in zip(left, right, strict=True)
    }
    assert seen >= {(one, other) for one in range(64) for other in range(one + 1, 100)}
    assert all(other - one < 32 for one, other in seen if one >= 64)
    groups = Groups(100)
    groups.join(np.zeros(100, dtype=np.int64), np.arange(100))
    assert list(_candidates(same, same == 0, groups)) == []
