from __future__ import annotations

import re
from collections import Counter

import pytest

from acclimate.progress import silent
from acclimate.tokenizer import words
from acclimate.tokenizer.words import chosen_characters, count_words, repeated

PATTERN = re.compile(r"\S+")


def test_words_are_counted_through_coarse_pieces() -> None:
    texts = [["a-b a", "b"], ["a-b " * 1000], []]
    counted = count_words(iter(texts), PATTERN, lambda piece: piece.split("-"), silent)
    assert counted == {"a": 1002, "b": 1002}


def test_words_too_long_to_be_language_are_left_out() -> None:
    counted = count_words(iter([["x" * 200, "y" * 201]]), PATTERN, lambda piece: [piece], silent)
    assert list(counted) == ["x" * 200]


def test_memory_is_bounded_by_forgetting_what_was_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_KINDS", 50)
    texts = [["often " + " ".join(f"once{batch}x{number}" for number in range(40))] for batch in range(20)]
    counted = count_words(iter(texts), PATTERN, lambda piece: [piece], silent)
    assert counted["often"] == 20
    assert len(counted) < 100


@pytest.mark.parametrize("count", [1, 19_999, 20_000, 20_001, 1_000_003])
def test_repeated_gives_back_the_counts(count: int) -> None:
    counts = Counter({"b": count, "a": 3, "中": 2})
    again: Counter[str] = Counter()
    order = []
    for batch in repeated(counts, "\0"):
        assert sum(map(len, batch)) < 5_000_000
        for text in batch:
            again.update(text.split("\0"))
            order.append(text[0])
    assert again == counts
    assert order == sorted(order)


def test_all_characters_within_a_quarter_and_covering_ones_beyond() -> None:
    counts = Counter({chr(0x4E00 + rank): max(1, 10**8 // (rank + 1) ** 2) for rank in range(2000)})
    assert len(chosen_characters(counts, 8000, 7000)) == 2000
    chosen = chosen_characters(counts, 1000, 900)
    assert 250 <= len(chosen) < 900
    covered = sum(counts[character] for character in chosen) / counts.total()
    assert len(chosen) == 250 or covered - counts[chosen[-1]] / counts.total() < 0.9995
    assert len(chosen_characters(counts, 200, 30)) == 30
    assert set(chosen_characters(counts, 200, 30)) == {chr(0x4E00 + rank) for rank in range(30)}
    flat = Counter({chr(0x4E00 + rank): 5 for rank in range(2000)})
    assert len(chosen_characters(flat, 1000, 900)) == 900
