"""Where lines become running text: a space between words, none between Chinese or Japanese characters."""

from __future__ import annotations

import re
from collections.abc import Iterable

_EAST_ASIAN = re.compile("[\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]")


def is_east_asian(text: str) -> bool:
    """Whether text begins with a Chinese or Japanese character or mark."""
    return _EAST_ASIAN.match(text) is not None


def apart(left: str, right: str) -> bool:
    """Whether a space stands between two pieces of text."""
    last, first = left[-1:], right[:1]
    return not (is_east_asian(last) or is_east_asian(first) or last.isspace() or first.isspace())


def joined(lines: Iterable[str]) -> str:
    """Lines that were broken for their length as one."""
    text = ""
    for line in lines:
        text += (" " if text and apart(text, line) else "") + line
    return text
