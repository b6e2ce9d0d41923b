"""EM and F1 of answers, on examples worked by hand, and against straightforward forms of the official programs."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest

from acclimate.evaluate.reading import (
    Asked,
    ReadingOutcomes,
    cmrc_f1,
    cmrc_form,
    details,
    judge_of,
    squad_f1,
    squad_form,
)
from acclimate.evaluate.reading_metrics import AnswerF1, ExactMatch

WORDS = [
    "the",
    "a",
    "Denver",
    "Broncos",
    "broncos,",
    "in",
    "1999",
    "北京",
    "大学",
    "，",
    "-",
    "U.S.",
    "the-end",
    "an",
]


def official_squad(text: str) -> str:
    """Rajpurkar et al.'s normalisation, step by step."""
    text = "".join(one for one in text.lower() if one not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def official_squad_f1(truth: str, said: str) -> float:
    there, claimed = official_squad(truth).split(), official_squad(said).split()
    if not there or not claimed:
        return float(there == claimed)
    same = sum((Counter(there) & Counter(claimed)).values())
    if not same:
        return 0.0
    precision, recall = same / len(claimed), same / len(there)
    return 2 * precision * recall / (precision + recall)


def lcs_table(one: list[str], other: list[str]) -> int:
    """Longest common run by the table of CMRC's program."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else 0
    return int(table.max())


def official_cmrc_f1(truth: str, said: str) -> float:
    pieces = [re.findall("[\u4e00-\u9fa5]|[a-z0-9.]+", cmrc_form(one)) for one in (truth, said)]
    shared = lcs_table(*pieces)
    if not shared:
        return 0.0
    precision, recall = shared / len(pieces[1]), shared / len(pieces[0])
    return 2 * precision * recall / (precision + recall)


def test_squad_by_hand() -> None:
    assert squad_form("The  Denver Broncos!") == "denver broncos"
    assert squad_f1("Denver Broncos", "the Denver Broncos team") == pytest.approx(0.8)
    assert squad_f1("1999", "2000") == 0 and squad_f1("", "") == 1 and squad_f1("", "x") == 0
    assert squad_form("the-end of a U.S. affair") == "theend of us affair"


def test_cmrc_by_hand() -> None:
    assert cmrc_form(" 《北京》大学，Ａ-B ") == "北京大学ａb"
    assert cmrc_f1("北京大学", "在北京大学") == pytest.approx(8 / 9)
    assert cmrc_f1("北京大学", "大学北京") == pytest.approx(
        0.5
    )  # the longest run that is common, not all characters
    assert cmrc_f1("1999年", "1999") == pytest.approx(2 / 3)  # a number is one piece
    assert cmrc_f1("北京", "上海") == 0


def test_both_equal_the_official_programs_step_by_step() -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        truth, said = (" ".join(rng.choice(WORDS, rng.integers(0, 7))) for _ in range(2))
        assert squad_form(truth) == official_squad(truth)
        assert squad_f1(truth, said) == pytest.approx(official_squad_f1(truth, said))
    characters = list("北京大学a1，的。")
    for _ in range(300):
        truth, said = ("".join(rng.choice(characters, rng.integers(1, 9))) for _ in range(2))
        if cmrc_form(truth) and cmrc_form(said):
            assert cmrc_f1(truth, said) == pytest.approx(official_cmrc_f1(truth, said))


def test_the_nearest_of_several_answers_counts_and_saying_nothing_can_be_right() -> None:
    asked = [
        Asked("who?", "p", ("Bob", "the Bob"), "bob", 1.0),
        Asked("where?", "p", ("in Rome",), "Rome", 2.0),
        Asked("why?", "p", (), "", -1.0),
        Asked("when?", "p", (), "1999", 3.0),
    ]
    found = ReadingOutcomes(asked, "squad", ["more"])
    tally = found.weigh()
    assert ExactMatch().build().over(tally)[0] == 0.5
    assert AnswerF1().build().over(tally)[0] == pytest.approx((1 + 2 / 3 + 1) / 4)
    assert found.notes == ["exact match and F1 as squad defines them", "more"]
    told = details(found)
    assert told["questions"] == {"answerable": 2, "impossible": 2}
    assert [one["text"] for one in told["worst"]] == ["when?"]
    assert told["worst"][0]["label"] == ["(no answer)"]
    assert judge_of(["哪里？", "谁？", "who?"]) == "cmrc" and judge_of(["哪里？", "who?"]) == "squad"
