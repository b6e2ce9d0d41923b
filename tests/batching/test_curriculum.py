from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.batching.curriculum import VISITS, Curriculum, rarity_of
from acclimate.batching.sampler import Position, Sampler
from acclimate.batching.sequence_store import WindowStore
from acclimate.batching.token_store import TokenStore, build_token_store
from acclimate.recipe.units import Length

LENGTHS = np.random.default_rng(0).integers(3, 129, 1000)


def sampler(over: int = 3000, start: float = 0.05, seed: int = 1) -> Sampler:
    return Sampler(LENGTHS, seed, curriculum=Curriculum(LENGTHS, over=over, start=start, seed=seed))


def test_competence_is_that_of_the_paper() -> None:
    curriculum = Curriculum(LENGTHS, over=1000, start=0.1, seed=0)
    places = np.array([0, 250, 1000, 5000])
    assert curriculum.competence(places) == pytest.approx([0.1, (0.25 * 0.99 + 0.01) ** 0.5, 1, 1])


@pytest.mark.parametrize("batch", ["7 sequences", "500 tokens"])
def test_any_position_gives_the_same_continuation(batch: str) -> None:
    position, taken = Position(), []
    for _ in range(800):
        ids, epochs, following = sampler().take(position, Length.parse(batch))
        taken.append((position, ids, epochs))
        position = following
    assert position.epoch >= 4  # well beyond the curriculum
    for at in (0, 3, 250, 399, 640):
        place, ids, epochs = taken[at]
        again = sampler().take(Position(place.epoch, place.index), Length.parse(batch))
        assert np.array_equal(again[0], ids) and np.array_equal(again[1], epochs)


def test_only_what_is_easy_enough_comes_and_all_of_that_evenly() -> None:
    rank = np.argsort(np.argsort(LENGTHS, kind="stable"), kind="stable")
    ids, epochs, _ = sampler().take(Position(), Length.parse("3000 sequences"))
    competence = Curriculum(LENGTHS, over=3000, start=0.05, seed=1).competence(np.arange(3000))
    assert (rank[ids] < np.maximum(1, competence * 1000)).all()
    relative = rank[ids] / (competence * 1000)
    assert np.histogram(relative, bins=5, range=(0, 1))[0] == pytest.approx(600, abs=90)
    # Every visit has a mask of its own, also of a sequence that is drawn again.
    assert np.array_equal(epochs, VISITS + np.arange(3000))
    assert rank[ids[:300]].mean() < rank[ids[-300:]].mean() / 2


def test_then_every_sequence_comes_once_an_epoch_as_without() -> None:
    plain = Sampler(LENGTHS, 1)
    for start in (Position(3), Position(4, 500)):
        ours, theirs = (one.take(start, Length.parse("700 sequences")) for one in (sampler(), plain))
        assert np.array_equal(ours[0], theirs[0]) and np.array_equal(ours[1], theirs[1])
    ids, epochs, _ = sampler(over=500).take(Position(), Length.parse("1000 sequences"))
    rest = plain.take(Position(0, 500), Length.parse("500 sequences"))[0]
    assert np.array_equal(ids[500:], rest) and (epochs[500:] == 0).all() and (epochs[:500] >= VISITS).all()


def test_the_seed_decides() -> None:
    first, second = (sampler(seed=seed).take(Position(), Length.parse("100 sequences"))[0] for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_rarity_is_the_sum_of_surprises(tokenizer: Any, tmp_path: Path) -> None:
    texts = ["the cat sat on the mat", "我们喜欢猫", "the the the the", "a dog"]
    build_token_store(iter([texts]), tokenizer, tmp_path)
    store = WindowStore(TokenStore(tmp_path), 32, 2, 3)
    tokens = [[2, *tokenizer(text, add_special_tokens=False)["input_ids"], 3] for text in texts]
    flat = Counter(token for one in tokens for token in one)
    wanted = [-sum(np.log(flat[token] / flat.total()) for token in one) for one in tokens]
    assert rarity_of(store, len(tokenizer)) == pytest.approx(wanted)
    assert rarity_of(store, len(tokenizer)).argmin() in (2, 3)
