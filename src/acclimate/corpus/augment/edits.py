"""Changing a text that has labelled spans, so that every span still names the same characters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) with a label."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with its labelled spans, in any order; they may nest."""

    text: str
    spans: tuple[Span, ...] = ()

    def free(self, start: int, end: int) -> bool:
        """Whether [start, end) may be changed: no character of it is labelled, and no span lies around it."""
        return all(end <= one.start or start >= one.end for one in self.spans)


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters [start, end) give way to a text; with start = end it is put in there."""

    start: int
    end: int
    text: str


def edited(one: Labelled, edits: Iterable[Edit]) -> Labelled:
    """The text with the edits made and the spans moved along.

    Edits refer to the text as it is. One that touches a labelled character is left out, and of two that overlap the
    later begins where the earlier ends. Where something is taken out, the spaces around it become one.
    """
    new = ""
    at = grown = 0
    shifts: list[tuple[int, int]] = []  # (place in the old text, how much longer all up to there has become)
    for edit in sorted(edits, key=lambda each: (each.start, each.end)):
        start, end = max(edit.start, at), edit.end
        if end < start or not one.free(start, end):
            continue
        new += one.text[at:start] + edit.text
        while not edit.text and start < end and new[-1:] in ("", " ") and one.text[end : end + 1] == " ":
            if not one.free(end, end + 1):
                break
            end += 1
        grown += len(edit.text) - (end - start)
        shifts.append((end, grown))
        at = end
    new += one.text[at:]

    def moved(place: int) -> int:
        return place + next((shift for end, shift in reversed(shifts) if end <= place), 0)

    spans = []
    for span in one.spans:
        by = moved(span.start) - span.start
        spans.append(Span(span.start + by, span.end + by, span.label))
    if at == len(one.text) > 0 and shifts:
        last = max((span.end for span in spans), default=0)
        new = new[:last] + new[last:].rstrip(" ")
    return Labelled(new, tuple(spans))


def cropped(one: Labelled, start: int, end: int) -> Labelled:
    """The characters [start, end), more where a span would be cut; spans outside are gone with their text."""
    grew = True
    while grew:
        grew = False
        for span in one.spans:
            if span.start < end and span.end > start and not (start <= span.start and span.end <= end):
                start, end, grew = min(start, span.start), max(end, span.end), True
    text = one.text[start:end]
    before = len(text) - len(text.lstrip())
    after = len(text.rstrip())
    inside = [span for span in one.spans if start <= span.start and span.end <= end]
    # White space at the ends goes, unless it is labelled.
    before = min([before, *(span.start - start for span in inside)])
    after = max([after, *(span.end - start for span in inside)])
    shift = start + before
    spans = tuple(Span(span.start - shift, span.end - shift, span.label) for span in inside)
    return Labelled(text[before:after], spans)
