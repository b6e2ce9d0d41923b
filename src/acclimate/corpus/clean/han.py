"""Han characters: how many a text has, and whether it is judged by characters instead of by words."""

from __future__ import annotations

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""The characters, as they stand inside the brackets of a regular expression."""
_NOT_HAN = re.compile(f"[^{HAN}]+")
_NOT_LETTER = re.compile(r"[\W\d_]+")
CHINESE_FROM = 0.3
"""Share of letters that are Han from where on a text is judged as Chinese: one Han character says what takes several
Latin letters."""


def count_han(text: str) -> int:
    """How many Han characters the text has."""
    return 0 if text.isascii() else len(_NOT_HAN.sub("", text))


def count_letters(text: str) -> int:
    """How many letters of any script the text has."""
    return len(_NOT_LETTER.sub("", text))


def is_chinese(text: str) -> bool:
    """Whether more than three in ten letters are Han."""
    han = count_han(text)
    return han > 0 and han > CHINESE_FROM * count_letters(text)
