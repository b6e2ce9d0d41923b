"""Tags of tokens and the spans they mean: schemes detected, checked, decoded.

Schemes, by what may stand before a label: IOB1 (`B-` only where a span touches one of its own label before it;
Ramshaw & Marcus 1995), IOB2 (every span begins with `B-`), IOBES with `E-` for ends and `S-` for single tokens,
also written BMES, BILOU and BMEWO. `B_` counts as `B-`; tags without a label (`B`, `M`), as word segmentation has
them, have the label "".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Scheme = Literal["iob2", "iob1", "iobes", "bmes", "bilou", "bmewo"]

_MEANING: dict[str, dict[str, str]] = {
    "iob2": {"I": "I", "B": "B"},
    "iob1": {"I": "I", "B": "B"},
    "iobes": {"I": "I", "B": "B", "E": "E", "S": "S"},
    "bmes": {"M": "I", "B": "B", "E": "E", "S": "S"},
    "bilou": {"I": "I", "B": "B", "L": "E", "U": "S"},
    "bmewo": {"M": "I", "B": "B", "E": "E", "W": "S"},
}
"""What each letter of a scheme means in terms of IOBES. The order breaks ties of `detect_scheme`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled run of tokens, the end exclusive."""

    label: str
    start: int
    end: int


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> tuple[str, str]:
    """(letter, label) of a tag; ("O", "") outside. Raises ValueError for what is no tag."""
    if tag in ("O", "o"):
        return "O", ""
    if tag[:1] in tuple("BIMELSUW") and (len(tag) == 1 or (tag[1] in "-_" and len(tag) > 2)):
        return tag[0], tag[2:]
    raise ValueError(f"expected a tag such as O, B-PER or I-PER, found {tag!r}")


def violation(tags: Sequence[str], scheme: Scheme) -> tuple[int, str] | None:
    """(index, what is wrong) of the first tag that breaks the rules of a scheme; None for a valid sequence."""
    if tags.count("O") == len(tags):
        return None
    meaning = _MEANING[scheme]
    before, label_before = "O", ""
    for index, tag in enumerate([*tags, "O"]):
        try:
            letter, label = split_tag(tag)
        except ValueError as error:
            return index, str(error)
        if letter != "O" and letter not in meaning:
            return index, f"{tag!r} is no tag of {scheme.upper()}"
        now = meaning.get(letter, "O")
        if scheme == "iob1":
            if now == "B" and (before == "O" or label != label_before):
                return index, f"{tag!r} does not follow a span of its label, as IOB1 wants it"
        else:
            goes_on = now in ("I", "E") and label == label_before and before in ("B", "I")
            if now in ("I", "E") and not goes_on:
                return index, f"{tag!r} does not follow a B- or I- of its label"
            if scheme != "iob2" and before in ("B", "I") and not goes_on:
                return min(index, len(tags) - 1), f"the span of {label_before!r} has no end before it"
        before, label_before = now, label
    return None


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme | None:
    """The scheme that the fewest sentences violate; None where none fits more than half of those with spans."""
    broken: dict[Scheme, int] = dict.fromkeys(_MEANING, 0)  # type: ignore[arg-type]
    total = 0
    for tags in sentences:
        if any(tag not in ("O", "o") for tag in tags):
            total += 1
            for scheme in broken:
                broken[scheme] += violation(tags, scheme) is not None
    best = min(broken, key=broken.__getitem__)
    return best if not total or 2 * broken[best] < total else None


_IOBES = {"M": "I", "L": "E", "U": "S", "W": "S"}


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that tags of any of the schemes mean, in order.

    Lenient as the CoNLL evaluation is: a span that a tag does not open properly is taken to begin there. Raises
    ValueError for what is no tag.
    """
    if tags.count("O") == len(tags):
        return []
    found: list[Span] = []
    start, before, label_before = 0, "O", ""
    for index, tag in enumerate([*tags, "O"]):
        letter, label = split_tag(tag)
        now = _IOBES.get(letter, letter)
        same = label == label_before
        begins = now in ("B", "S") or (now in ("I", "E") and (before in ("O", "E", "S") or not same))
        if before != "O" and (begins or now == "O"):
            found.append(Span(label_before, start, index))
        if begins:
            start = index
        before, label_before = now, label
    return found
