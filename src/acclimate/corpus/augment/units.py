"""What augmentation moves about: words, and of scripts without spaces known words or single characters."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field

from acclimate.corpus.augment.edits import Edit, Labelled
from acclimate.corpus.words import UNSPACED

_ALONE = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
_RUN = re.compile(rf"(?P<alone>(?:(?=[^\W\d_])[{_ALONE}])+)|(?:(?![{_ALONE}])[^\W_])+")
_LONGEST = 8


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters [start, end) of a text that are changed as one."""

    start: int
    end: int
    spaced: bool
    """Whether white space parts it from its neighbours."""

    def without(self) -> Edit:
        """The edit that takes it out."""
        return Edit(self.start, self.end, "")

    def before(self, word: str) -> Edit:
        """The edit that puts a word before it."""
        return Edit(self.start, self.start, f"{word} " if self.spaced else word)

    def instead(self, word: str) -> Edit:
        return Edit(self.start, self.end, word)


@dataclass(frozen=True)
class Lexicon:
    """Words that count as one unit where no spaces part them; without any, each such character is one."""

    words: Container[str] = field(default_factory=frozenset)

    def units(self, one: Labelled) -> list[Unit]:
        """The units of a text that may be changed, in order: those of labelled spans may not."""
        found: list[Unit] = []
        for run in _RUN.finditer(one.text):
            if run["alone"] is None:
                found.append(Unit(run.start(), run.end(), spaced=True))
            else:
                found += self._unspaced(one.text, run.start(), run.end())
        return [unit for unit in found if one.free(unit.start, unit.end)]

    def _unspaced(self, text: str, start: int, end: int) -> list[Unit]:
        """The longest known word at each place (forward maximum matching), else one character."""
        units = []
        while start < end:
            stop = min(end, start + _LONGEST)
            while stop > start + 1 and text[start:stop] not in self.words:
                stop -= 1
            units.append(Unit(start, stop, spaced=False))
            start = stop
        return units
