"""Numbers and texts as a reader wants them: no idle digits, thin units, nothing unprintable."""

from __future__ import annotations

import math
import re
from itertools import zip_longest
from typing import Any

from markupsafe import Markup, escape

THIN = "\u202f"
"""Narrow no-break space, between a number and its unit."""
MINUS = "\u2212"
NONE = "\u2013"
"""What stands where there is no number."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_UNIT = re.compile(f"({THIN}[A-Za-z%]+)")
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")),
)


def number(value: Any) -> float:
    """The value as a float; NaN for anything that is not a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def count(value: Any) -> str:
    """12345 → `12,345`."""
    amount = number(value)
    return _minus(f"{round(amount):,}") if math.isfinite(amount) else NONE


def compact(value: Any) -> str:
    """A number for an axis or a headline: 3 digits and k, M, G, T."""
    amount = number(value)
    if not math.isfinite(amount):
        return NONE
    size, scale, letter = abs(amount), 1.0, ""
    # 999,950 would round to 1000k: the next letter begins where rounding to three digits reaches it.
    for power, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= power * 0.9995:
            scale, letter = power, sign
            break
    text = f"{amount / scale:.3g}"
    if "e" in text:
        text = f"{float(text):g}"
    return _minus(text) + letter


def decimals(low: float, high: float) -> int:
    """Decimals that an interval deserves, 0 to 5: two digits of half its width up to 3.5, one above.

    The Particle Data Group's rule for stating uncertainties, so that a figure is no longer than what is known of it.
    """
    half = abs(high - low) / 2
    if not math.isfinite(half) or half == 0:
        return 3
    power = math.floor(math.log10(half))
    digits = 1 if half / 10.0**power <= 3.55 else 0
    return min(5, max(0, digits - power))


def decimal(value: Any, places: int = 3, *, signed: bool = False) -> str:
    amount = number(value)
    if not math.isfinite(amount):
        return NONE
    text = f"{amount:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    elif signed and amount > 0:
        text = "+" + text
    return _minus(text)


def percent(value: Any) -> str:
    """0.0312 → `3.1 %`; a share that would round to nothing is said to be less than that."""
    share = number(value) * 100
    if not math.isfinite(share):
        return NONE
    if 0 < share < 0.05:
        return f"< 0.1{THIN}%"
    return f"{share:.1f}".removesuffix(".0") + f"{THIN}%"


def duration(value: Any) -> str:
    """Seconds as `0.8 s`, `12 s`, `3 min 05 s`, `2 h 05 min`."""
    seconds = number(value)
    if not math.isfinite(seconds):
        return NONE
    if seconds < 9.95:
        return f"{seconds:.1f}{THIN}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{THIN}s"
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}{THIN}h {minutes % 60:02d}{THIN}min"


def size(value: Any) -> str:
    """Bytes as `512 B`, `1.4 MB`; thousands, as everywhere in a recipe."""
    amount = number(value)
    if not math.isfinite(amount):
        return NONE
    text = compact(amount)
    letter = text[-1] if text[-1] in "kMGT" else ""
    return f"{text.removesuffix(letter)}{THIN}{letter}B"


def thin_unit(text: str) -> Markup:
    """The text with what follows each thin space set as a unit (a span that the page draws lighter)."""
    pieces = _UNIT.split(str(text))
    units = [Markup('<span class="unit">{}</span>').format(unit) for unit in pieces[1::2]]
    return Markup("").join(
        part for pair in zip_longest(map(escape, pieces[::2]), units, fillvalue=Markup("")) for part in pair
    )


def legible(value: Any) -> str:
    """The value as text without what no page can hold: control characters and lone surrogates become U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", str(value))


def language_of(value: Any) -> str | None:
    """`zh`, `ja` or `ko` when the text is written in that script, so that the browser picks its letter forms."""
    text = str(value)
    return next((code for code, script in _SCRIPTS if script.search(text)), None)
