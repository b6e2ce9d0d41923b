from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.document import Document
from acclimate.corpus.duplicates.near_step import NearDuplicates, SplitTogether
from acclimate.corpus.duplicates.shingles import WORDS, Shingling
from acclimate.corpus.pool import Pool
from acclimate.corpus.sieve import Sieve


def step_over(folder: Path, texts: list[str], step: Any) -> tuple[Pool, list[Any]]:
    """(the pool after the step, what was dropped)"""
    drops: list[Any] = []
    folder.mkdir(exist_ok=True)
    pool = Pool(folder, [step], on_drop=drops.extend)
    documents = [Document("a.txt", f"a.txt:{n}", text, {}) for n, text in enumerate(texts)]
    sifted = Sieve([], [step])(documents, "a.txt")
    pool.add(0, sifted.documents, sifted.features)
    pool.seal()
    step(pool, lambda *told: None)
    pool.book()
    return pool, drops


def copies(source: random.Random, chinese: bool) -> list[str]:
    texts = []
    for _ in range(15):
        words = [
            chr(source.randrange(0x4E00, 0x9000)) if chinese else f"w{source.randrange(10**6)}"
            for _ in range(80)
        ]
        for _ in range(source.randrange(1, 8)):
            words = [("新" if chinese else "new") if source.random() < 0.01 else word for word in words]
            texts.append(("" if chinese else " ").join(words))
    source.shuffle(texts)
    return texts


def jaccard(one: str, other: str, chinese: bool) -> float:
    sets = []
    for text in (one, other):
        words = list(text) if chinese else text.split()
        sets.append({tuple(words[at : at + 5]) for at in range(len(words) - 4)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_each_is_dropped_for_a_kept_document_that_it_says_and_is_similar_to(
    tmp_path: Path, seed: int, chinese: bool
) -> None:
    texts = copies(random.Random(seed), chinese)
    pool, drops = step_over(tmp_path, texts, NearDuplicates(0.8))
    assert drops and len(drops) + int(pool.alive.sum()) == len(texts)
    for drop in drops:
        assert drop.reason == "near_duplicate"
        found = re.fullmatch(
            r"nearly equals a\.txt:(\d+), which was read before \(similarity (\d\.\d\d)\)", drop.detail
        )
        assert found is not None, drop.detail
        first = int(found[1])
        assert first < drop.document.number and pool.alive[first]
        similarity = jaccard(texts[first], texts[drop.document.number], chinese)
        assert similarity >= 0.8 and float(found[2]) == pytest.approx(similarity, abs=0.0051)
    kept = [text for text, alive in zip(texts, pool.alive.tolist(), strict=True) if alive]
    pairs = [(one, other) for n, one in enumerate(kept) for other in kept[:n]]
    assert not any(jaccard(one, other, chinese) >= 0.8 for one, other in pairs)


def test_shingles_of_characters_find_copies_with_broken_words(tmp_path: Path) -> None:
    text = " ".join(f"word{n} of the story" for n in range(40))
    texts = [text, text.replace(" of the ", " ofthe "), text.replace("story", "st ory")]
    _, drops = step_over(tmp_path / "characters", texts, NearDuplicates(0.8, Shingling("characters", 12)))
    assert len(drops) == 2 and "similarity 1.00" in drops[0].detail
    _, drops = step_over(tmp_path / "words", texts, NearDuplicates(0.8, WORDS))
    assert not drops


@pytest.mark.parametrize("chinese", [False, True])
def test_near_copies_stay_on_the_side_of_the_first_and_others_where_they_were(
    tmp_path: Path, chinese: bool
) -> None:
    texts = copies(random.Random(9), chinese)
    step = SplitTogether(0.8)
    pool, _ = step_over(tmp_path / "one", texts, step)
    own, _ = step_over(tmp_path / "none", texts, SplitTogether(1.0))
    alone = []
    for number, text in enumerate(texts):
        near = [
            other for other, one in enumerate(texts) if other != number and jaccard(one, text, chinese) >= 0.8
        ]
        for other in near:
            assert pool.keys[number] == pool.keys[other]
        if not near:
            alone.append(number)
            assert pool.keys[number] == own.keys[number]
    assert 0 < len(alone) < len(texts)
    # More documents behind the old ones do not move them.
    more = [text + (" 完" if chinese else " end") for text in texts[::3]] + copies(random.Random(10), chinese)
    later, _ = step_over(tmp_path / "more", texts + more, step)
    assert later.keys[: len(texts)].tolist() == pool.keys.tolist()
    assert later.keys[len(texts) : len(texts) + len(texts[::3])].tolist() == pool.keys[::3].tolist()
