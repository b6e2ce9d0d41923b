from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.recipe.portions import TEXT_UNITS, Portion


@pytest.mark.parametrize(
    ("written", "amount", "unit"),
    [
        ("30%", 0.3, "share"),
        (0.3, 0.3, "share"),
        (1, 1.0, "share"),
        ("2M characters", 2_000_000, "characters"),
        ("10k documents", 10_000, "documents"),
        ("1 document", 1, "documents"),
        ("1.5k words", 1500, "words"),
    ],
)
def test_what_people_write(written: object, amount: float, unit: str) -> None:
    portion = Portion.parse(written)
    assert (portion.amount, portion.unit) == (amount, unit)
    assert Portion.parse(str(portion)) == portion


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("0%", "more than 0%"),
        ("150%", "between 0% and 100%"),
        (7, "between 0% and 100%"),
        ("7", "such as '30%' or '2M characters'"),
        ("5 tokens", "unknown unit 'tokens'.*choose from: bytes, characters, documents, words"),
        ("1.5 documents", "a whole number of documents"),
        ("0 words", "such as '30%'"),
        (None, "such as '30%'"),
        (True, "such as '30%'"),
    ],
)
def test_what_cannot_be_meant(written: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Portion.parse(written)


@given(st.integers(1, 10**15), st.sampled_from(TEXT_UNITS))
def test_every_amount_is_read_back(amount: int, unit: str) -> None:
    portion = Portion(float(amount), unit)
    assert Portion.parse(str(portion)) == portion


def test_how_much_that_is() -> None:
    assert Portion.parse("25%").of(10) == 2
    assert Portion.parse("3 words").of(10) == 3 and Portion.parse("30 words").of(10) == 10
