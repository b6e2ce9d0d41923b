"""ROUGE against the package rouge-score, and what that one throws away."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from acclimate.evaluate.rouge import longest_common, mean_of, rouge
from acclimate.evaluate.written import Written, words

TEXTS = [
    "The cat sat on the mat.",
    "A dog, and the cat, sat!",
    "Nothing of the sort; it's 3.5 km away_from here",
    "",
    "mat mat mat the the cat",
]


def test_equal_to_rouge_score() -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    rows = rouge(Written([a for a, _ in pairs], [[b] for _, b in pairs], [a for a, _ in pairs]))
    for (said, right), row in zip(pairs, rows, strict=True):
        expected = scorer.score(right, said)
        assert row[:3].tolist() == pytest.approx(
            [expected[n].fmeasure for n in ("rouge1", "rouge2", "rougeL")]
        )


def test_the_best_reference_counts() -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    row = rouge(Written([TEXTS[0]], [[TEXTS[1], TEXTS[4]]], [TEXTS[0]]))[0]
    expected = scorer.score_multi([TEXTS[1], TEXTS[4]], TEXTS[0])
    assert row[:3].tolist() == pytest.approx([expected[n].fmeasure for n in ("rouge1", "rouge2", "rougeL")])


def test_chinese_by_characters_and_other_letters_kept() -> None:
    assert words("基于BERT的方法, Größe 3") == ["基", "于", "bert", "的", "方", "法", "größe", "3"]
    row = rouge(Written(["x"], [["机器翻译方法"]], ["翻译的方法"]))[0]
    assert row[0] == pytest.approx(2 * 4 / 11) and row[1] == pytest.approx(2 * 2 / 9)
    assert row[2] == pytest.approx(2 * 4 / 11)


def test_longest_common_subsequence_is_the_longest() -> None:
    source = random.Random(1)

    def brute(a: str, b: str) -> int:
        for size in range(len(a), 0, -1):
            for chosen in combinations(a, size):
                rest = iter(b)
                if all(one in rest for one in chosen):
                    return size
        return 0

    for _ in range(150):
        a, b = ("".join(source.choices("abc", k=source.randint(0, 8))) for _ in range(2))
        assert longest_common(a, b) == brute(a, b)


def test_mean_under_weights() -> None:
    texts = Written(TEXTS[:2], [[TEXTS[0]], [TEXTS[0]]], TEXTS[:2])
    equal, first = mean_of(2, texts.weigh(np.array([[1.0, 2.0], [1.0, 0.0]])))
    assert first == pytest.approx(100) and 0 < equal < 100
