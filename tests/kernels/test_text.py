from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from acclimate.corpus import words as words_module
from acclimate.corpus.duplicates import shingles as shingles_module
from acclimate.corpus.duplicates.minhash import Bands, bands_for, near_features
from acclimate.corpus.duplicates.shingles import WORDS, Shingling, shingle_sets
from acclimate.corpus.words import words_of
from acclimate.kernels import text as kernels

ALPHABETS = (
    "abc ABC  .,;ßİ",
    "中文字符 ，。abc12",
    "हिन्दी नेपाली กขฃ ภาษาไทย ",
    "".join(
        chr(code)
        for code in (0x301, 0x1F600, 0xE0100, 0x20000, 0x3FFFF, 0xD7FF, 0xFFFF, 0x10FFFF, 0x20, 0x61)
    ),
)


@pytest.fixture(autouse=True)
def built() -> Iterator[None]:
    if not kernels.available():
        pytest.skip("the kernels cannot be built here: no C++ compiler")
    yield


def texts(seed: int) -> list[str]:
    source = random.Random(seed)
    some = ["", " ", "a", "中", "a b c d", "a b c d e", "一二三四", "x" * 700, "中x中 x中中"]
    for alphabet in ALPHABETS:
        some += ["".join(source.choices(alphabet, k=source.choice((3, 20, 400)))) for _ in range(60)]
        some += [some[-1] * 4]
    source.shuffle(some)
    return some


def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (words_module, shingles_module):
        monkeypatch.setattr(module.kernels, "available", lambda: False)


@pytest.mark.parametrize("characters", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_words_are_those_of_the_plain_twin(
    seed: int, characters: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = words_of(texts(seed), characters=characters)
    plain(monkeypatch)
    slow = words_of(texts(seed), characters=characters)
    for name in ("hashes", "owners", "starts", "alone"):
        one, other = getattr(fast, name), getattr(slow, name)
        assert one.dtype == other.dtype and np.array_equal(one, other), name
    assert len(fast.hashes) > 10_000


@pytest.mark.parametrize("shingling", [WORDS, Shingling("characters", 9), Shingling("words", 1)])
@pytest.mark.parametrize("bands", [bands_for(0.8), bands_for(0.5), Bands(128, 1), Bands(1, 1)])
def test_shingles_and_their_bands_are_those_of_the_plain_twin(
    bands: Bands, shingling: Shingling, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = texts(7)
    fast, fast_features = shingle_sets(given, shingling), near_features(given, shingling, bands)
    plain(monkeypatch)
    slow, slow_features = shingle_sets(given, shingling), near_features(given, shingling, bands)
    assert np.array_equal(fast.hashes, slow.hashes) and np.array_equal(fast.offsets, slow.offsets)
    assert fast_features.shape == (len(given), bands.count + 1)
    filled = slow_features[:, -1] > 0
    assert np.array_equal(fast_features[filled], slow_features[filled]) and 0 < (~filled).sum() < 20
    assert np.array_equal(fast_features[:, -1], slow_features[:, -1])


def test_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert near_features([], WORDS, bands_for(0.8)).shape == (0, bands_for(0.8).count + 1)
    assert len(words_of([]).hashes) == 0 == len(shingle_sets(["", ","]).hashes)
    assert shingle_sets(["", ","]).offsets.tolist() == [0, 0, 0]


def test_too_many_hash_functions_are_refused() -> None:
    words = words_of(["a b c"])
    constants = np.ones(200, np.uint32)
    with pytest.raises(ValueError, match="at most 128"):
        kernels.near_features(
            words.hashes, np.array([3]), 5, words_module.powers(), (65, 2), constants, constants
        )
