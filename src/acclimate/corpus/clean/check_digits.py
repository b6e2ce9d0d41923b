"""Check digits: what tells a number of an account or a person from any other row of digits."""

from __future__ import annotations

from datetime import date

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PROVINCES = frozenset(range(11, 16)) | {
    21,
    22,
    23,
    *range(31, 38),
    *range(41, 47),
    *range(50, 55),
    *range(61, 66),
    71,
    81,
    82,
    83,
}
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
"""Country → characters (SWIFT's registry of IBANs)."""


def luhn(digits: str) -> bool:
    """The check of bank cards (ISO/IEC 7812): every second digit doubled, digits summed, a multiple of ten."""
    total = sum(map(int, digits[-1::-2])) + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return total % 10 == 0


def card(digits: str) -> bool:
    """Whether this is a number that a card issuer gives out: its first digits, its length, its check digit."""
    size, two, four = len(digits), int(digits[:2]), int(digits[:4])
    issued = (
        (digits[0] == "4" and size in (13, 16, 19))
        or (size == 16 and (51 <= two <= 55 or 2221 <= four <= 2720 or 3528 <= four <= 3589))
        or (size == 15 and two in (34, 37))
        or (size in (16, 19) and (four == 6011 or 644 <= int(digits[:3]) <= 659))
        or (16 <= size <= 19 and two == 62)
        or (size == 14 and (300 <= int(digits[:3]) <= 305 or two in (36, 38)))
    )
    return issued and len(set(digits)) > 1 and luhn(digits)


def iban(text: str) -> bool:
    """An account number with the length of its country that leaves 1 when divided by 97 (ISO 13616)."""
    text = text.replace(" ", "").upper()
    if len(text) != _IBAN_LENGTHS.get(text[:2]):
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def resident_id(text: str) -> bool:
    """A Chinese resident identity number (GB 11643): province, date of birth, and a check digit modulo 11."""
    if int(text[:2]) not in _PROVINCES or not _is_date(int(text[6:10]), int(text[10:12]), int(text[12:14])):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, text[:17], strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        return date(1900, 1, 1) <= date(year, month, day) <= date(2100, 1, 1)
    except ValueError:
        return False


def social_security(text: str) -> bool:
    """The shape that United States numbers have; they bear no check digit."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def spanish_id(text: str) -> bool:
    """DNI and NIE: the number modulo 23 gives the letter."""
    number = text[:-1].replace("-", "")
    if number[0] in "XYZ":
        number = str("XYZ".index(number[0])) + number[1:]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def french_id(text: str) -> bool:
    """NIR: 97 minus the first thirteen digits modulo 97 gives the last two (Corsica's 2A and 2B are 19 and 18)."""
    text = text.replace(" ", "").upper()
    body = text[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(text[13:])
