"""Which of the single-byte pages of the Latin script a text is in: the one in which a language can be recognised.

The pages of Western Europe, Central Europe, Turkey and the Baltic are all but alike: every byte is a letter in each of
them, so that neither validity nor the share of letters tells them apart. A language does: Hungarian has `ő` and no `õ`,
Turkish `ş` and no `þ`. Each page's reading is given to a language identifier (py3langid); the evidence for a page is by
how much its best language beats the mean of all languages, less a fine for every letter or sign that stands where none
stands in writing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import pairwise
from typing import Any

_COMMON = ("cp1252", "iso8859-1", "cp1250", "iso8859-2", "cp1254", "iso8859-9")
_RARE = ("cp1257", "iso8859-13", "iso8859-15", "cp1258", "iso8859-3", "cp850", "cp852", "mac-roman")
LATIN = (*_COMMON, *_RARE)
"""In this order of frequency; where two read alike, the first is taken. Parts 4, 10, 14 and 16 of ISO 8859 were hardly
ever used."""
_HANDICAP = 20.0
"""Evidence that a rare page must have beyond that of a common one; four words of a language."""
_MOST_UNDEFINED = 200
"""A page may leave one in so many characters undefined."""
_LOOK_AT = 12_000
"""Characters of lines with letters beyond ASCII."""
_FINE = 5.0
"""Evidence that a fault takes away; a few words of a language give as much."""
_BETWEEN = "’·-‐–—…"
"""What stands between letters in good writing."""
_QUOTES = "’‘“”–—…«»„‚·‐¡¿"
_WORD = re.compile(r"\S*[^\x00-\x7f\s]\S*")


def clearest(head: bytes) -> str | None:
    """The page of LATIN in which the bytes read clearest; None where all readings are full of faults."""
    best: tuple[float, str] | None = None
    for page in LATIN:
        text = head.decode(page, "replace")
        undefined = text.count("\ufffd")
        if undefined * _MOST_UNDEFINED > len(text):
            continue
        lines = "\n".join(line for line in text.split("\n") if not line.isascii())[:_LOOK_AT]
        faulty, words = _faults(lines)
        if 2 * faulty > words or not _mostly_letters(lines):
            continue
        evidence = _recognised(lines) - _FINE * (faulty + 2 * undefined) - _HANDICAP * (page in _RARE)
        if best is None or evidence > best[0]:
            best = evidence, page
    return best[1] if best else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


def _recognised(text: str) -> float:
    """By how much the best language beats the mean of all."""
    scores = [float(score) for _, score in _identifier().rank(text)]
    return max(scores) - sum(scores) / len(scores)


@cache
def _kind(char: str) -> str:
    """`l`etter or mark, `n`umber, `c`ontrol, `q`uotation mark or dash, `a`ny other of ASCII, `s`ign."""
    category = unicodedata.category(char)
    if category[0] in "LM":
        return "l"
    if category[0] == "N":
        return "n"
    if char < "\x80":
        return "a"
    if category in ("Cc", "Cn", "Co") or char == "\ufffd":
        return "c"
    return "q" if char in _QUOTES else "s"


def _mostly_letters(text: str) -> bool:
    """Whether at most a third of what stands beyond ASCII are signs."""
    beyond = [_kind(char) for char in text if char > "\x7f"]
    return 3 * sum(kind in "sc" for kind in beyond) <= len(beyond)


_MISPLACED = re.compile(r"(?<=l)s(?=l)|(?<![ln])s(?=l)|(?<=l)q(?=l)")
"""A sign within a word or before it, a quotation mark within one."""


def _faults(text: str) -> tuple[int, int]:
    """(places where no letter or sign stands in writing, words looked at)"""
    faults = words = 0
    for match in _WORD.finditer(text):
        word = match[0][:200]
        words += 1
        kinds = "".join(map(_kind, word))
        faults += 2 * kinds.count("c")
        faults += sum(word[found.start()] not in _BETWEEN for found in _MISPLACED.finditer(kinds))
        # A capital beyond ASCII behind a small letter.
        faults += sum(
            before.islower() and char.isupper() and max(before, char) > "\x7f"
            for before, char in pairwise(word)
        )
    return faults, words
