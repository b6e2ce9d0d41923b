"""How a wrong value is told: pydantic's findings in our words, and the nearest valid choice.

The shape of every sentence: what was expected, what was found, what would be right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Called:
    """Annotation: what people call a type whose Python type says too little. The reference shows it."""

    words: str


_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of less than 20 digits",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping of keys",
    "mapping_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "none_required": "null",
    "invalid_key": "a key that is text",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


def nearest(word: object, choices: Iterable[str]) -> str:
    """A closing phrase that names the nearest of the choices, or all of them when none is near."""
    known = sorted(choices)
    close = [one for one in known if one.casefold() == str(word).casefold()]
    close = close or difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    if not close and len(str(word)) > 2:
        close = [one for one in known if str(word) in one]
    if len(close) == 1:
        return f"did you mean {close[0]!r}?"
    return "choose from: " + (", ".join(known) or "(nothing)")


def found(value: object) -> str:
    """A value as a message shows it: as YAML writes it where that differs from Python, and never long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({type(value).__name__} of {len(text)} characters)"


def told(kind: str, message: str, value: object, context: Mapping[str, Any]) -> str:
    """One finding of pydantic (its type, message, input and ctx) in our words."""
    if kind in _KINDS:
        hint = "; put it in quotes" if kind == "string_type" and _scalar(value) else ""
        return f"expected {_KINDS[kind]}, found {found(value)}{hint}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"expected {words} {context[bound]}, found {found(value)}"
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context["expected"])) or [str(context["expected"])]
        return f"unknown value {found(value)}; {nearest(value, choices)}"
    if kind in ("too_short", "string_too_short"):
        return f"needs at least {context['min_length']} {_things(kind, context['min_length'])}"
    if kind in ("too_long", "string_too_long"):
        return f"takes at most {context['max_length']} {_things(kind, context['max_length'])}"
    if kind == "string_pattern_mismatch":
        return f"{found(value)} does not have the form {context['pattern']}"
    if kind in ("value_error", "assertion_error"):
        return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message


def either(messages: list[str]) -> str:
    """The findings of several allowed kinds as one: `expected text or a whole number, found [1]`."""
    parts = [
        re.match(r"^expected (.+?), found (.+?)(?:; put it in quotes)?$", message) for message in messages
    ]
    if all(parts):
        kinds = list(dict.fromkeys(part[1] for part in parts if part))
        return f"expected {' or '.join(kinds)}, found {parts[0][2] if parts[0] else ''}"
    return "; or: ".join(dict.fromkeys(messages))


def _scalar(value: object) -> bool:
    return isinstance(value, (bool, int, float))


def _things(kind: str, count: int) -> str:
    thing = "character" if kind.startswith("string") else "entry"
    if count == 1:
        return thing
    return "characters" if thing == "character" else "entries"
