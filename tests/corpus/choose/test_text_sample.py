from __future__ import annotations

import random

import pytest

from acclimate.corpus.choose.text_sample import LOOK_AT, TextSample

TEXTS = [f"{n} " + "字" * (n % 300) for n in range(3000)]


@pytest.mark.parametrize("room", [1, 500, 20_000])
def test_as_many_as_there_is_room_for_in_any_order(room: int) -> None:
    sample = TextSample.of(TEXTS, room).texts()
    assert room <= sum(map(len, sample)) < room + max(map(len, TEXTS))
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    assert TextSample.of(shuffled, room).texts() == sample
    # A smaller sample is the beginning of a larger one.
    assert TextSample.of(TEXTS, 2 * room).texts()[: len(sample)] == sample


def test_little_text_is_taken_whole_and_long_texts_are_cut() -> None:
    sample = TextSample.of(["a" * 5000, "b"], 100_000).texts()
    assert sorted(sample) == ["a" * LOOK_AT, "b"]
    assert TextSample(10).texts() == []
