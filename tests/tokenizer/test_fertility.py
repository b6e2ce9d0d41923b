from __future__ import annotations

from pathlib import Path

from acclimate.tokenizer.fertility import Fertility, fertility
from acclimate.tokenizer.training import Train


def test_counts_by_hand(tmp_path: Path) -> None:
    tokenizer = Train(vocab_size=60).build(texts=iter([["ab ab ab, 我 我"]]), folder=tmp_path)
    found = fertility(tokenizer, [["ab, 我我", ""], ["q [MASK]"]])
    # ab | , | 我 | 我 and q | [ | MASK | ]: what the corpus never had is unknown.
    assert found == Fertility(documents=3, characters=14, bytes=18, words=5, tokens=8, unknown=4)
    assert found.tokens_per_word == 8 / 5
    assert found.tokens_per_byte == 8 / 18
    assert found.tokens_per_document == 8 / 3
    assert found.unknown_share == 0.5


def test_nothing() -> None:
    empty = Fertility(0, 0, 0, 0, 0, 0)
    assert (
        empty.tokens_per_word
        == empty.tokens_per_byte
        == empty.unknown_share
        == empty.tokens_per_document
        == 0
    )


def test_larger_vocabularies_cut_less(tmp_path: Path, english: list[str]) -> None:
    values = []
    for size in (500, 3000):
        tokenizer = Train(vocab_size=size).build(texts=iter([english]), folder=tmp_path)
        values.append(fertility(tokenizer, [english[:500]]).tokens_per_word)
    assert 1 < values[1] < values[0] < 6
