from __future__ import annotations

import pytest

from acclimate.corpus.clean import check_digits


@pytest.mark.parametrize(
    "number", ["4111111111111111", "378282246310005", "5555555555554444", "6222021234567890128"]
)
def test_cards_end_in_a_luhn_digit(number: str) -> None:
    assert check_digits.card(number)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not check_digits.card(wrong)


@pytest.mark.parametrize("number", ["4111111111111", "9111111111111111", "4444444444444444", "79927398713"])
def test_other_numbers_are_no_cards(number: str) -> None:
    assert not check_digits.card(number)


def test_luhn_finds_every_single_wrong_digit() -> None:
    number = "79927398713"
    assert check_digits.luhn(number)
    for place in range(len(number)):
        for digit in "0123456789":
            changed = number[:place] + digit + number[place + 1 :]
            assert check_digits.luhn(changed) == (changed == number)


@pytest.mark.parametrize(
    "number",
    [
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "FR1420041010050500013M02606",
        "NO9386011117947",
    ],
)
def test_accounts(number: str) -> None:
    assert check_digits.iban(number)
    assert not check_digits.iban(number[:-1] + ("0" if number[-1] != "0" else "1"))
    assert not check_digits.iban(number + "0")
    assert not check_digits.iban("XX" + number[2:])


def test_resident_identity_numbers() -> None:
    assert check_digits.resident_id("11010519491231002X") and check_digits.resident_id("11010519491231002x")
    assert not check_digits.resident_id("110105194912310021")  # check digit
    assert not check_digits.resident_id("11010519490231002X")  # 31 February
    assert not check_digits.resident_id("99010519491231002X")  # no such province


def test_national_numbers_of_other_countries() -> None:
    assert check_digits.social_security("123-45-6789")
    assert not any(
        map(check_digits.social_security, ["000-45-6789", "666-45-6789", "923-45-6789", "123-00-6789"])
    )
    assert check_digits.spanish_id("12345678Z") and check_digits.spanish_id("X1234567L")
    assert not check_digits.spanish_id("12345678A")
    assert check_digits.french_id("255081416802538") and check_digits.french_id("2 55 08 14 168 025 38")
    assert not check_digits.french_id("255081416802539")
