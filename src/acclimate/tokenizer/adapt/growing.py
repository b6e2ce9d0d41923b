"""Adding tokens round by round: what the first ones save is taken into account when the next are chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from acclimate.progress import Tell
from acclimate.tokenizer.adapt.bpe_entries import BpeEntries
from acclimate.tokenizer.adapt.candidates import Candidate, candidates
from acclimate.tokenizer.adapt.choices import Ranked
from acclimate.tokenizer.adapt.entries import Entries
from acclimate.tokenizer.adapt.text import Cut, Kinds, cut

ROUNDS = 10
"""In so many parts the tokens are added, at least."""


@dataclass
class Growth:
    """A vocabulary that grows on a text."""

    entries: Entries
    domain: Kinds
    base: Kinds | None
    choice: Any
    """Settings: tokens, occurrences, longest."""

    def grow(self, ranked: Ranked, tell: Tell) -> Cut:
        """Add tokens until there are as many as asked for, or nothing more to add; the text as it is cut then.

        A token that the text does not give, or that makes a word of it unknown, is taken back.
        """
        never: set[str] = set()
        room = self.choice.tokens
        now = self.cut(self.domain)
        unknown = set(now.unknown)
        while self.size < room:
            found = candidates(
                self.entries,
                self.entries.numbered(),
                now,
                least=self.choice.occurrences,
                longest=self.choice.longest,
                never=never,
            )
            base = self.cut(self.base) if self.base is not None else None
            share = min(room - self.size, math.ceil(room / ROUNDS))
            if not self._add(ranked(found, now, base), share):
                break
            now = self.cut(self.domain)
            if harmful := self._harmful(now, unknown) | self._idle(now):
                never |= harmful
                self.entries.forget(harmful)
                now = self.cut(self.domain)
            tell(min(self.size, room), room, "tokens")
        return now

    @property
    def size(self) -> int:
        """New entries so far."""
        return len(self.entries.new) + len(self.entries.steps)

    def cut(self, kinds: Kinds) -> Cut:
        """The text as the vocabulary cuts it now."""
        name = self.entries.unknown()
        number = self.entries.numbered().index(name) if name is not None else None
        return cut(self.entries.backend(), kinds, unknown=number, across=self.entries.joins_han())

    def _add(self, best: list[Candidate], share: int) -> int:
        """How many entries were added. Of sequences of Han that overlap one is taken at a time."""
        start = self.size
        taken: set[tuple[int, int]] = set()
        for one in best:
            left = share - (self.size - start)
            if left <= 0:
                break
            pairs = set(zip(one.pieces, one.pieces[1:], strict=False)) if one.han else set()
            if not taken.isdisjoint(pairs) or one.entry in self.entries.known:
                continue
            if isinstance(self.entries, BpeEntries) and self.entries.cost(one.entry) > left:
                continue
            taken |= pairs
            self.entries.add(one.entry)
        return self.size - start

    def _harmful(self, now: Cut, unknown: set[str]) -> set[str]:
        """WordPiece takes the longest entry and never turns back: the rest of a word may then have no piece."""
        fresh = set(now.unknown) - unknown
        return {entry for entry in self.entries.new if any(word.startswith(entry) for word in fresh)}

    def _idle(self, now: Cut) -> set[str]:
        """New entries that the text does not give: other entries always win, or a longer one took their place."""
        used = dict(zip(self.entries.numbered(), now.used.tolist(), strict=False))
        return {entry for entry in self.entries.new if not used.get(entry)}
