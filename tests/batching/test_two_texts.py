"""Pairs whose texts are read one by one."""

from __future__ import annotations

import numpy as np

from acclimate.batching.two_texts import TwoTexts
from acclimate.objectives.sentence_vectors import halved
from acclimate.tokenizer.untrained import untrained_tokenizer

FIRST, SECOND = ["a b c", "一 二", "d e f g h i j k"], ["x", "三 四 五", "y z"]


def test_each_text_has_its_own_ends_and_comes_apart_again() -> None:
    tokenizer = untrained_tokenizer(300)
    marks = np.array([0.0, 1.0, 0.5])
    store = TwoTexts(FIRST, SECOND, tokenizer, 6, marks=marks)
    assert store.num_truncated == sum(len(tokenizer(text)["input_ids"]) > 6 for text in FIRST + SECOND)
    asked = np.array([2, 0])
    found = store.fetch(asked, np.zeros(2, np.int64))
    assert found.ids.tolist() == [2, 0] and found.by_sequence["marks"].tolist() == [0.5, 0.0]
    assert found.lengths.tolist() == store.lengths[asked].tolist()
    apart = halved(found)
    pieces = [
        apart.tokens[a:b].tolist() for a, b in zip(apart.cu_seqlens, apart.cu_seqlens[1:], strict=False)
    ]
    texts = [FIRST[2], SECOND[2], FIRST[0], SECOND[0]]
    assert pieces == [tokenizer(text, truncation=True, max_length=6)["input_ids"] for text in texts]
