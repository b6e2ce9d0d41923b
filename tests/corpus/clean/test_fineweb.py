from __future__ import annotations

from collections.abc import Callable

import pytest

from acclimate.corpus.clean.fineweb import FineWeb
from acclimate.corpus.document import Document

ENGLISH = "The river rose quickly after the long storm.\nLower fields were under deep water by noon that day."
CHINESE = "暴雨过后河水迅速上涨了不少。\n低处的田地到中午已经被大水淹没。"


def rule(text: str, **options: float) -> str | None:
    broken = FineWeb(**options).broken_rule(text)  # type: ignore[arg-type]
    return broken[0] if broken else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ENGLISH, None),
        (CHINESE, None),
        (
            "\n".join(["a line of thirty or more characters"] * 1 + ["another line of at least as many"] * 1),
            "line_ends",
        ),
        (ENGLISH + "\n" + ENGLISH.split("\n")[0], "repeated_lines"),
        (CHINESE + "\n" + CHINESE.split("\n")[0], "repeated_lines"),
        (ENGLISH + "".join(f"\nShort line {n}." for n in range(5)), "short_lines"),
        (CHINESE + "".join(f"\n短行{n}。" for n in "一二三四五"), "short_lines"),
        ("", "line_ends"),
    ],
)
def test_each_rule_is_the_first_that_its_text_breaks(text: str, expected: str | None) -> None:
    assert rule(text) == expected


def test_bounds_are_settings_and_a_share_at_the_bound_is_too_much() -> None:
    text = ENGLISH + "\nShort one.\nShort two."  # half of the lines are short
    assert rule(text) is None
    assert rule(text, max_short_lines=0.5) == "short_lines"
    assert (
        rule(
            "\n".join([*["no mark at the end of this line of words"[n:] for n in range(3)], "End."]),
            min_line_ends=0.25,
        )
        == "line_ends"
    )


def test_details_state_value_and_bound(documents: Callable[..., list[Document]]) -> None:
    cleaned = FineWeb().build()(documents(ENGLISH, "no mark here"))
    assert len(cleaned.documents) == 1
    assert [(one.reason, one.detail) for one in cleaned.dropped] == [
        ("fineweb:line_ends", "0% of the lines end in a mark, not more than 12%")
    ]
