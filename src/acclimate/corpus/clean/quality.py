"""Rules for prose against boilerplate, lists, tables and machine text (Rae et al. 2021, "Gopher", appendix
A1.1).

English and other spaced text is judged by words, with the published thresholds. Chinese is judged by
characters: where more than three in ten letters are Han, a word of the rules counts as two characters, words
and stop words give way to the share of Han characters; those thresholds are ours. The stop words are English:
for other languages set `min_stop_words: 0`. The rules are made for web pages. A corpus of short texts
(titles, sentences, reviews) loses nearly everything to the least number of words; set `min_words` and
`min_characters` low there, or leave them out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from acclimate.corpus.document import Cleaner, Document, Dropped
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count, Share

if TYPE_CHECKING:
    from acclimate.corpus.clean.repetition import Limits

_STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_BULLETS = tuple("•‣⁃◦●○■□▪▫►▶·*-–—+")
_ELLIPSES = ("...", "…")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER = re.compile(r"[^\W\d_]")
_WITH_LETTER = re.compile(r"\S*[^\W\d_]\S*")
_SPACE = re.compile(r"\s+")
_WORD_OF_HAN = 2
"""Characters of Chinese that count as a word of English."""


class Quality(Component):
    """Drops documents that break a rule of good prose, by reason `quality:<rule>`, the first rule that is
    broken.

    Rules: too_few_words, too_many_words, word_length, symbols, bullets, ellipses, alphabetic, stop_words, and
    for Chinese too_few_characters, too_many_characters, symbols, bullets, ellipses, han_share; for both
    duplicate_lines, duplicate_paragraphs, top_ngram, duplicate_ngrams. Made for web pages; short texts lose
    nearly everything.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "quality")
    bare: ClassVar[str | None] = "rules"

    rules: Literal["gopher"] = "gopher"
    """The set of rules: `gopher` (Rae et al. 2021)."""
    min_words: Count = 50
    """Fewest words of spaced text (Rae et al.)."""
    max_words: Count = 100_000
    """Most words of spaced text (Rae et al.)."""
    min_characters: Count = 100
    """Fewest characters of Chinese; ours, twice the words."""
    max_characters: Count = 200_000
    """Most characters of Chinese; ours, twice the words."""
    min_word_length: float = Field(default=3, ge=0)
    """Least mean length of words (Rae et al.)."""
    max_word_length: float = Field(default=10, gt=0)
    """Greatest mean length of words (Rae et al.)."""
    max_symbols: Share = 0.1
    """Most `#` and ellipses for each word (Rae et al.), or for two characters of Chinese."""
    max_bullet_lines: Share = 0.9
    """Greatest share of lines that begin with a bullet (Rae et al.)."""
    max_ellipsis_lines: Share = 0.3
    """Greatest share of lines that end with an ellipsis (Rae et al.)."""
    min_alphabetic_words: Share = 0.8
    """Least share of words with a letter in them (Rae et al.)."""
    min_stop_words: int = Field(default=2, ge=0, le=8)
    """How many different ones of `the be to of and that have with` there must be (Rae et al.); English
    only."""
    min_han_share: Share = 0.6
    """Least share of Han characters in Chinese, white space aside; ours. Punctuation and figures take a
    fifth."""
    repetition: bool = True
    """Whether repeated lines, paragraphs and n-grams count, with the thresholds of Rae et al., table A1."""

    def build(self) -> Cleaner:
        def clean(documents: list[Document]) -> tuple[list[Document], list[Dropped]]:
            kept: list[Document] = []
            dropped: list[Dropped] = []
            for document in documents:
                broken = self.broken_rule(document.text)
                if broken is None:
                    kept.append(document)
                else:
                    dropped.append(Dropped(f"quality:{broken[0]}", document.place, broken[1]))
            return kept, dropped

        return clean

    def broken_rule(self, text: str) -> tuple[str, str] | None:
        """(rule, what was found) of the first rule that the text breaks."""
        han = 0 if text.isascii() else len(_HAN.findall(text))
        chinese = han > 0 and han > 0.3 * len(_LETTER.findall(text))
        units: Sequence[str]
        if chinese:
            units = _SPACE.sub("", text)
            broken = self._chinese(units, han)
            words = len(units) / _WORD_OF_HAN
        else:
            units = text.split()
            broken = self._spaced(text, units)
            words = len(units)
        broken = broken or self._marks(text, words)
        if broken or not self.repetition:
            return broken
        from acclimate.corpus.clean.repetition import GOPHER, broken_limit

        return broken_limit(text, units, _chinese_limits(GOPHER) if chinese else GOPHER)

    def _spaced(self, text: str, words: list[str]) -> tuple[str, str] | None:
        if len(words) < max(1, self.min_words):
            return "too_few_words", f"{len(words)} words, fewer than {self.min_words}"
        if len(words) > self.max_words:
            return "too_many_words", f"{len(words)} words, more than {self.max_words}"
        mean = sum(map(len, words)) / len(words)
        if not self.min_word_length <= mean <= self.max_word_length:
            return "word_length", f"words of {mean:.1f} letters on average"
        share = len(_WITH_LETTER.findall(text)) / len(words)
        if share < self.min_alphabetic_words:
            return "alphabetic", f"{share:.0%} of the words have a letter"
        found = len(_STOP_WORDS.intersection(map(str.lower, words)))
        if found < self.min_stop_words:
            return "stop_words", f"{found} different stop words"
        return None

    def _chinese(self, characters: str, han: int) -> tuple[str, str] | None:
        size = len(characters)
        if size < self.min_characters:
            return "too_few_characters", f"{size} characters, fewer than {self.min_characters}"
        if size > self.max_characters:
            return "too_many_characters", f"{size} characters, more than {self.max_characters}"
        if han / size < self.min_han_share:
            return "han_share", f"{han / size:.0%} of the characters are Han"
        return None

    def _marks(self, text: str, words: float) -> tuple[str, str] | None:
        for mark in ("#", *_ELLIPSES):
            share = text.count(mark) / words
            if share > self.max_symbols:
                return "symbols", f"{share:.2f} of {mark} for each word"
        lines = [line.strip() for line in text.split("\n") if line and not line.isspace()]
        bullets = sum(line.startswith(_BULLETS) for line in lines) / len(lines)
        if bullets > self.max_bullet_lines:
            return "bullets", f"{bullets:.0%} of the lines begin with a bullet"
        ellipses = sum(line.endswith(_ELLIPSES) for line in lines) / len(lines)
        if ellipses > self.max_ellipsis_lines:
            return "ellipses", f"{ellipses:.0%} of the lines end with an ellipsis"
        return None


def _chinese_limits(limits: Limits) -> Limits:
    """The same limits with n-grams of characters, two for each word."""
    return limits.stretched(_WORD_OF_HAN)
