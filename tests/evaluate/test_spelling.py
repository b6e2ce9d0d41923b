"""Detection and correction of spelling errors, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.evaluate.spelling import changes, corrected, corrections
from acclimate.evaluate.written import Written

SOURCES = ["不怕措折地奋斗", "睡得很安祥啊", "没有错误的句子", "他很烦脑吧", "也没有错"]
RIGHTS = ["不怕挫折地奋斗", "睡得很安详啊", "没有错误的句子", "他很烦恼吧", "也没有错"]
OUTPUTS = ["不怕挫折地奋斗", "睡得很安翔啊", "没有错误的名子", "他很烦脑吧", "也没有错"]


def test_texts_and_characters() -> None:
    texts = Written(SOURCES, [[one] for one in RIGHTS], OUTPUTS)
    rows = corrections(texts).astype(int).tolist()
    # wrong, changed, detected, corrected | characters wrong, changed, found, right
    assert rows == [
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 1, 1, 1, 0],  # seen, and changed to what is wrong again
        [0, 1, 0, 0, 0, 1, 0, 0],  # a false alarm
        [1, 0, 0, 0, 1, 0, 0, 0],  # missed
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    tally = texts.weigh()
    assert corrected(tally, "precision", hits=2)[0] == pytest.approx(200 / 3)
    assert corrected(tally, "recall", hits=2)[0] == pytest.approx(200 / 3)
    assert corrected(tally, "f1", hits=3)[0] == pytest.approx(100 / 3)
    assert corrected(tally, "f1", hits=6)[0] == pytest.approx(200 / 3)
    assert corrected(tally, "f1", hits=7)[0] == pytest.approx(100 / 3)


def test_doing_nothing_and_doing_all() -> None:
    rights = [[one] for one in RIGHTS]
    nothing, everything = (Written(SOURCES, rights, out).weigh() for out in (SOURCES, RIGHTS))
    for hits in (2, 3, 6, 7):
        assert corrected(nothing, "f1", hits=hits)[0] == 0
        assert corrected(everything, "f1", hits=hits)[0] == 100


def test_one_error_of_two_is_not_a_text_put_right() -> None:
    texts = Written(["措折很烦脑"], [["挫折很烦恼"]], ["挫折很烦脑"])
    assert corrections(texts)[0].astype(int).tolist() == [1, 1, 0, 0, 2, 1, 1, 1]
    assert corrected(texts.weigh(), "f1", hits=7)[0] == pytest.approx(100 * 2 / 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abcd", set()),
        ("axcd", {(1, "x")}),
        ("acd", {(1, "")}),
        ("abcde", {(4, "+e")}),
        ("axyzd", {(1, "x"), (2, "yz")}),
        ("axd", {(1, "x"), (2, "")}),
        ("", {(0, ""), (1, ""), (2, ""), (3, "")}),
    ],
)
def test_texts_of_other_lengths_are_aligned(text: str, expected: set[tuple[int, str]]) -> None:
    assert changes("abcd", text) == expected


def test_the_nearest_reference_counts() -> None:
    texts = Written(["措折"], [["措施", "挫折"]], ["挫折"])
    assert corrections(texts)[0, 3] == 1


def test_weights() -> None:
    texts = Written(SOURCES, [[one] for one in RIGHTS], OUTPUTS)
    weights = np.zeros((5, 2))
    weights[0, 0] = weights[4, 1] = 3.0
    assert corrected(texts.weigh(weights), "f1", hits=3).tolist() == [100.0, 0.0]
