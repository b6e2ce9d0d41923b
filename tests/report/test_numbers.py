from __future__ import annotations

import math

import pytest
from markupsafe import Markup

from acclimate.report.numbers import (
    compact,
    count,
    decimal,
    decimals,
    duration,
    language_of,
    legible,
    number,
    percent,
    size,
    thin_unit,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (7, "7"), (999, "999"), (1000, "1k"), (1234, "1.23k"), (999_499, "999k"), (999_950, "1M"),
        (4_011_903, "4.01M"), (5e9, "5G"), (2e12, "2T"), (0.25, "0.25"), (-1500, "−1.5k"), (None, "–"), (math.nan, "–"),
    ],
)  # fmt: skip
def test_compact(value: object, text: str) -> None:
    assert compact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7499, "2 h 05 min"),
     (3599.7, "1 h 00 min"), (math.inf, "–")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0001, "< 0.1 %"), (0.031, "3.1 %"), (0.5, "50 %"), (1, "100 %"), ("x", "–")],
)
def test_percent(share: object, text: str) -> None:
    assert percent(share).replace("\u202f", " ") == text


@pytest.mark.parametrize(("amount", "text"), [(512, "512 B"), (1_400_000, "1.4 MB"), (0, "0 B"), (None, "–")])
def test_size(amount: object, text: str) -> None:
    assert size(amount).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [(0.762, 0.806, 3), (0.958, 0.970, 3), (9.0, 9.08, 2), (0.50, 0.64, 2), (8000, 8700, 0), (0.7, 0.7, 3),
     (0.1, math.nan, 3), (0.9999990, 0.9999995, 5)],
)  # fmt: skip
def test_figures_are_no_longer_than_what_is_known_of_them(low: float, high: float, places: int) -> None:
    assert decimals(low, high) == places


def test_signs_are_true_ones_and_zero_has_none() -> None:
    assert decimal(-0.0712, 3, signed=True) == "−0.071"
    assert decimal(0.0712, 3, signed=True) == "+0.071"
    assert decimal(-0.0001, 3, signed=True) == decimal(0.0001, 3, signed=True) == "0.000"
    assert count(-12345) == "−12,345"


def test_what_is_no_number_is_none() -> None:
    assert all(math.isnan(number(value)) for value in (True, None, "3", [1]))
    assert number(3) == 3


def test_units_are_set_thin_and_text_is_escaped() -> None:
    assert thin_unit("3\u202fmin 05\u202fs <b>") == Markup(
        '3<span class="unit">\u202fmin</span> 05<span class="unit">\u202fs</span> &lt;b&gt;'
    )
    assert thin_unit("91.7\u202f%, 3\u202f%).") == (
        '91.7<span class="unit">\u202f%</span>, 3<span class="unit">\u202f%</span>).'
    )


def test_unprintable_characters_are_replaced() -> None:
    assert legible("a\x00b\ud800c\x1b\x9f\uffff") == "a\ufffdb\ufffdc\ufffd\ufffd\ufffd"
    assert legible("tab\tline\n汉字 😀 é") == "tab\tline\n汉字 😀 é"
    legible("\ud83d").encode("utf-8")


@pytest.mark.parametrize(
    ("text", "code"),
    [("plain", None), ("中文 mixed", "zh"), ("ひらがな漢字", "ja"), ("한국어", "ko"), (3, None)],
)
def test_language_of(text: object, code: str | None) -> None:
    assert language_of(text) == code
