from __future__ import annotations

from collections.abc import Callable

import pytest

from acclimate.corpus.clean.c4 import C4
from acclimate.corpus.document import Document

ENGLISH = (
    "The river rose quickly after the storm.\nLower fields were under water by noon!\n"
    'Would the old bridge hold until then?\n"We hope that it will," said the mayor.'
)
CHINESE = "暴雨过后河水迅速上涨了。\n低处的田地到中午已经被淹没！\n那座老桥能不能坚持到那个时候呢？"


def left(text: str, **options: bool | int) -> str:
    broken, lines = C4(**options).judged(text)  # type: ignore[arg-type]
    return broken[0] if broken else lines


def test_sentences_stay_in_both_languages() -> None:
    assert left(ENGLISH) == ENGLISH
    assert left(CHINESE) == CHINESE


@pytest.mark.parametrize(
    "line",
    [
        "A line without any mark at its end",
        "Too short this.",
        "This site uses cookies to serve you better.",
        "You need to have Javascript turned on for this.",
        "And then it trails off into nothing at all...",
        "短句。",
        "请先阅读并同意本网站的隐私政策再继续。",
    ],
)
def test_lines_that_are_no_sentences_go(line: str) -> None:
    text = ENGLISH if line.isascii() else CHINESE
    assert left(f"{text}\n{line}") == text


def test_marks_of_encyclopaedias_go() -> None:
    assert left(f"{ENGLISH}[12][citation needed]") == ENGLISH.replace("the mayor.", "the mayor.")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ENGLISH + "\nLorem ipsum dolor sit amet.", "lorem_ipsum"),
        (ENGLISH + "\nvoid main() { }", "curly_bracket"),
        ("The river rose quickly after the storm.\nMenu", "too_few_sentences"),
        ("暴雨过后河水迅速上涨了。", "too_few_sentences"),
        ("", "too_few_sentences"),
    ],
)
def test_documents_go_by_the_first_rule_that_they_break(text: str, rule: str) -> None:
    assert left(text) == rule


def test_settings_move_the_bounds() -> None:
    assert left("The river rose quickly after the storm.", min_sentences=1) != "too_few_sentences"
    assert left(ENGLISH + "\nvoid main() { } is how it begins.", curly_brackets=True).endswith("begins.")
    assert left(ENGLISH + "\nno mark at the end here", terminal_marks=False).endswith("end here")


def test_counts(documents: Callable[..., list[Document]]) -> None:
    cleaned = C4().build()(documents(ENGLISH, ENGLISH + "\nMenu", "Menu"))
    assert [one.text for one in cleaned.documents] == [ENGLISH, ENGLISH]
    assert cleaned.changed == {"c4": 1}
    assert [(one.reason, one.detail) for one in cleaned.dropped] == [
        ("c4:too_few_sentences", "0 sentences in 0 lines that stay, fewer than 3")
    ]
