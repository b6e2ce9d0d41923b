"""The rules that FineWeb adds to those of Gopher and C4 (Penedo et al. 2024, "The FineWeb datasets", section 3.5)."""

from __future__ import annotations

from typing import ClassVar

from acclimate.corpus.clean.han import is_chinese
from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count, Share

_STOPS = tuple(".!?\"'”’。！？…；：」』）)")


class FineWeb(Component):
    """Drops documents that look like lists and menus, by reason `fineweb:<rule>`, the first rule that is broken.

    Rules: line_ends, repeated_lines, short_lines; blank lines aside. Published for English web pages after
    `quality: gopher` and `c4`. In Chinese a line is short from fewer characters; ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "fineweb")

    min_line_ends: Share = 0.12
    """Least share of lines that end in a punctuation mark; a share of just this much is too little (Penedo et
    al.)."""
    max_repeated: Share = 0.1
    """Share of characters in lines that stood before, from which on the document goes (Penedo et al.)."""
    max_short_lines: Share = 0.67
    """Share of short lines from which on the document goes (Penedo et al.)."""
    short_line: Count = 30
    """A line of fewer characters is short (Penedo et al.)."""
    short_line_chinese: Count = 12
    """The same for Chinese; ours, what 30 characters of English say."""

    def build(self) -> Cleaner:
        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                broken = self.broken_rule(document.text)
                if broken is None:
                    cleaned.documents.append(document)
                else:
                    cleaned.dropped.append(Dropped(f"fineweb:{broken[0]}", document.place, broken[1]))
            return cleaned

        return clean

    def broken_rule(self, text: str) -> tuple[str, str] | None:
        """(rule, what was found) of the first rule that the text breaks."""
        from acclimate.corpus.clean.repetition import repeated_share

        lines = [line for part in text.split("\n") if (line := part.strip())]
        if not lines:
            return "line_ends", "no line that is not blank"
        ends = sum(line.endswith(_STOPS) for line in lines) / len(lines)
        if ends <= self.min_line_ends:
            return (
                "line_ends",
                f"{ends:.0%} of the lines end in a mark, not more than {self.min_line_ends:.0%}",
            )
        _, repeated = repeated_share(lines)
        if repeated >= self.max_repeated:
            found = f"{repeated:.0%} of the characters stand in repeated lines, not less than {self.max_repeated:.0%}"
            return "repeated_lines", found
        least = self.short_line_chinese if is_chinese(text) else self.short_line
        short = sum(len(line) < least for line in lines) / len(lines)
        if short >= self.max_short_lines:
            found = f"{short:.0%} of the lines have fewer than {least} characters, not less than"
            return "short_lines", f"{found} {self.max_short_lines:.0%}"
        return None
