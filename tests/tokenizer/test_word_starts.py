from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.segmenting import chinese_words
from acclimate.tokenizer.training import Train
from acclimate.tokenizer.word_starts import beginnings, crossing, words_of


def words(text: str, segmented: bool = False) -> list[str]:
    found = words_of([text], chinese_words() if segmented else None)
    return [text[start:end] for start, end in found.tolist()]


def test_words_of_many_scripts() -> None:
    assert words("Don't say: naïve-é 3.5 C3PO") == ["Don", "t", "say", "naïve", "é", "3", "5", "C3PO"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("我们喜欢ABC猫") == ["我", "们", "喜", "欢", "ABC", "猫"]
    assert words("我们喜欢ABC猫", segmented=True) == ["我们", "喜欢", "ABC", "猫"]
    assert words("カタカナ x") == [*"カタカナ", "x"]
    assert words(" 。，!? ") == []


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "character_bpe", "unigram", "character"])
def test_tokens_begin_words(algorithm: str, tmp_path: Path, english: list[str], chinese: list[str]) -> None:
    tokenizer = Train(algorithm=algorithm, vocab_size=5000).build(
        texts=iter([english[:500], chinese]), folder=tmp_path
    )
    texts = [*english[600:900], *chinese[:300], "we saw the 𓀀 there", "", "  two  spaces "]
    tokens, lengths, spans = Encoder(tokenizer, literal=True).encode_spans(texts)
    assert np.array_equal(tokens, Encoder(tokenizer, literal=True).encode(texts)[0])
    found = words_of(texts)
    begun = beginnings(spans, found)
    # Every word begins once, in a token that holds its first character.
    assert begun.sum() == len(found)
    owner = np.flatnonzero(begun)
    first = found[np.cumsum(begun)[owner] - begun[owner], 0]
    assert (spans[owner, 0] <= first).all() and (first < spans[owner, 1]).all()
    if algorithm != "character":
        names = tokenizer.convert_ids_to_tokens(tokens[: lengths[:300].sum()].tolist())
        # ▁ or Ġ and a letter, or in WordPiece a letter without ##: as the tokenizer itself marks the begin of words.
        start = r"[^\W_]" if algorithm == "wordpiece" else r"[▁Ġ][A-Za-z]"
        marked = np.array([bool(re.match(start, name)) for name in names])
        assert marked.sum() > 1000 and begun[: len(names)][marked].all()


def test_bytes_of_one_character_begin_it_once() -> None:
    found = words_of(["中 文字"])
    spans = np.array([[0, 1], [0, 1], [0, 1], [1, 2], [2, 4]])
    assert beginnings(spans, found).tolist() == [1, 0, 0, 0, 2]
    assert crossing(spans, found).tolist() == [False, False, False, False, True]
    assert beginnings(np.zeros((0, 2), np.int64), found[:0]).tolist() == []
    # Where a normaliser moves marks about, a later token may reach less far than one before it.
    assert beginnings(np.array([[0, 3], [0, 1], [3, 4]]), found).tolist() == [2, 0, 1]
