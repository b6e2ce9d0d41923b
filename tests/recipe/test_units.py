"""What people write is what is meant, and what is shown reads back the same."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.recipe.units import MOST, UNITS, Length, Progress, parse_count, parse_share, show_share

WHOLE = ("steps", "tokens", "sequences")


@st.composite
def lengths(draw: st.DrawFn) -> Length:
    unit = draw(st.sampled_from(UNITS))
    if unit in WHOLE:
        return Length(float(draw(st.integers(1, MOST))), unit)
    return Length(draw(st.floats(1e-9, 1e15, allow_nan=False)), unit)


@given(lengths())
def test_a_length_reads_back_as_it_was_shown(length: Length) -> None:
    assert Length.parse(str(length)) == length


@given(st.floats(0, 1))
def test_a_share_reads_back_as_it_was_shown(share: float) -> None:
    assert parse_share(show_share(share)) == share


@given(st.integers(0, 999_999), st.integers(0, 3), st.sampled_from(["", "k", "K", "M", "m", "G", "b", "T"]))
def test_counts_are_exact_decimals(digits: int, places: int, scale: str) -> None:
    power = {"": 0, "k": 3, "m": 6, "g": 9, "b": 9, "t": 12}[scale.lower()]
    text = f"{digits // 10**places}.{digits % 10**places:0{places}d}" if places else str(digits)
    exact = Fraction(digits, 10**places) * 10**power
    if exact.denominator == 1 and exact <= MOST:
        assert parse_count(text + scale) == exact
        assert parse_count(f" {text} {scale} ") == exact
    else:
        with pytest.raises(ValueError, match="expected a whole count"):
            parse_count(text + scale)


@given(st.integers(0, MOST))
def test_counts_are_exact_integers(count: int) -> None:
    assert (
        parse_count(count)
        == parse_count(str(count))
        == parse_count(f"{count:,}")
        == parse_count(f"{count:_}")
        == count
    )


@given(
    st.text(max_size=12) | st.floats() | st.integers() | st.none() | st.booleans() | st.lists(st.integers())
)
def test_whatever_is_written_is_a_quantity_or_a_clear_error(value: Any) -> None:
    for parse in (parse_count, parse_share, Length.parse):
        try:
            parse(value)
        except ValueError as error:
            assert "expected" in str(error) or "unknown unit" in str(error)


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("20M tokens", 20_000_000, "tokens"),
        ("1.005M tokens", 1_005_000, "tokens"),
        ("1e6 tokens", 1_000_000, "tokens"),
        ("2,000 steps", 2000, "steps"),
        ("2_000 step", 2000, "steps"),
        ("1 Epoch", 1, "epochs"),
        ("0.5 epochs", 0.5, "epochs"),
        ("10 minutes", 10, "minutes"),
        ("  16k   tokens ", 16_000, "tokens"),
        ("0 steps", 0, "steps"),
        ("1G sequences", 10**9, "sequences"),
    ],
)
def test_lengths(text: str, amount: float, unit: str) -> None:
    assert Length.parse(text) == Length(amount, unit)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("20", "expected an amount with its unit, such as '2000 steps' or '20k tokens', found '20'"),
        (20, "found 20"),
        (None, "found null"),
        ("tokens", "found 'tokens'"),
        ("-3 epochs", "found '-3 epochs'"),
        ("0 epochs", "expected more than nothing"),
        ("1.5 steps", "expected a whole number of steps, found '1.5 steps'"),
        ("0.5 tokens", "expected a whole number of tokens"),
        ("3 epoch's", "expected an amount with its unit"),
        ("3 tokn", "unknown unit 'tokn' in '3 tokn'; did you mean 'tokens'?"),
        ("9e99 tokens", "at most 1000T"),
        ("３ steps", "expected an amount"),
        ("1,00 steps", "expected an amount"),
    ],
)
def test_what_is_no_length(value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Length.parse(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "share"),
    [("2%", 0.02), ("0.1 %", 0.001), ("100%", 1), (0, 0), (1, 1), (0.15, 0.15), ("1e-3%", 1e-5)],
)
def test_shares(value: Any, share: float) -> None:
    assert parse_share(value) == share


@pytest.mark.parametrize(
    "value", ["0.02", "101%", 1.5, -0.1, True, None, "x", "%", float("nan"), float("inf"), 10**400]
)
def test_what_is_no_share(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        parse_share(value)


@pytest.mark.parametrize(
    "value", [-1, 1.5, True, None, "1.5", "16kb", "16 thousand", float("inf"), float("nan"), 10**16]
)
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(ValueError, match="count"):
        parse_count(value)


def test_shown_lengths_are_short() -> None:
    shown = [str(Length(amount, "tokens")) for amount in (2000, 16_500, 1_005_000, 1_000_001, 2.5e9, 999)]
    assert shown == [
        "2k tokens",
        "16.5k tokens",
        "1.005M tokens",
        "1000001 tokens",
        "2.5G tokens",
        "999 tokens",
    ]


def test_a_length_says_how_far_a_training_is() -> None:
    progress = Progress(steps=50, tokens=1000, sequences=10, epochs=0.5, seconds=90)
    assert Length.parse("100 steps").fraction(progress) == 0.5
    assert Length.parse("1k tokens").reached(progress)
    assert not Length.parse("11 sequences").reached(progress)
    assert Length.parse("3 minutes").fraction(progress) == 0.5
    assert Length.parse("60 seconds").fraction(progress) == 1.5
    assert Length.parse("0 steps").reached(Progress())
