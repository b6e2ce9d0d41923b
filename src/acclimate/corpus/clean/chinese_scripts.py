"""Simplified or traditional: which of the two scripts a Chinese text is written in.

A character that GB 2312 (mainland China, 1980) has and Big5 (Taiwan, 1984) has not is a simplified one, and the other
way round; most characters are in both and say nothing.
"""

from __future__ import annotations

from functools import cache

SIMPLIFIED, TRADITIONAL = "zh-Hans", "zh-Hant"
"""Codes of the scripts (BCP 47)."""


def script_of(text: str) -> tuple[str | None, float]:
    """(script, its share of the characters that tell); (None, 0) where no character tells."""
    simplified, traditional = _telling()
    first = sum(map(simplified.__contains__, text))
    second = sum(map(traditional.__contains__, text))
    if not first and not second:
        return None, 0.0
    return (
        (SIMPLIFIED, first / (first + second))
        if first >= second
        else (TRADITIONAL, second / (first + second))
    )


@cache
def _telling() -> tuple[frozenset[str], frozenset[str]]:
    """(characters of simplified text only, of traditional text only)"""
    simplified, traditional = set(), set()
    for code in range(0x4E00, 0xA000):
        char = chr(code)
        mainland, taiwan = _encodable(char, "gb2312"), _encodable(char, "big5")
        if mainland and not taiwan:
            simplified.add(char)
        elif taiwan and not mainland:
            traditional.add(char)
    return frozenset(simplified), frozenset(traditional)


def _encodable(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
