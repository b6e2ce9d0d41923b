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

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count, Share

if TYPE_CHECKING:
    from acclimate.corpus.clean.prose_figures import Figures


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
        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            broken = self.broken_rules([document.text for document in documents])
            for document, fault in zip(documents, broken, strict=True):
                if fault is None:
                    cleaned.documents.append(document)
                else:
                    cleaned.dropped.append(Dropped(f"quality:{fault[0]}", document.place, fault[1]))
            return cleaned

        return clean

    def broken_rules(self, texts: list[str]) -> list[tuple[str, str] | None]:
        """For each text (rule, what was found) of the first rule that it breaks."""
        from acclimate.corpus.clean.prose_figures import figures_of
        from acclimate.corpus.clean.repetition import GOPHER

        return [self.judged(figures) for figures in figures_of(texts, GOPHER if self.repetition else None)]

    def judged(self, figures: Figures) -> tuple[str, str] | None:
        """(rule, what was found) of the first rule that a text with these figures breaks."""
        from acclimate.corpus.clean.prose_figures import WORD_OF_HAN
        from acclimate.corpus.clean.repetition import GOPHER, broken_limit

        chinese = figures.chinese
        broken = self._chinese(figures) if chinese else self._spaced(figures)
        words = figures.characters / WORD_OF_HAN if chinese else figures.words
        broken = broken or self._marks(figures, words)
        if broken or figures.repetition is None:
            return broken
        return broken_limit(figures.repetition, GOPHER.stretched(WORD_OF_HAN) if chinese else GOPHER)

    def _spaced(self, figures: Figures) -> tuple[str, str] | None:
        words = figures.words
        if words < max(1, self.min_words):
            return "too_few_words", f"{words} words, fewer than {self.min_words}"
        if words > self.max_words:
            return "too_many_words", f"{words} words, more than {self.max_words}"
        mean = figures.characters / words
        if not self.min_word_length <= mean <= self.max_word_length:
            bounds = f"not from {self.min_word_length:g} to {self.max_word_length:g}"
            return "word_length", f"words of {mean:.1f} letters on average, {bounds}"
        share = figures.words_with_letter / words
        if share < self.min_alphabetic_words:
            found = f"{share:.0%} of the words have a letter, less than {self.min_alphabetic_words:.0%}"
            return "alphabetic", found
        if figures.stop_words < self.min_stop_words:
            found = f"{figures.stop_words} different stop words, fewer than {self.min_stop_words}"
            return "stop_words", found
        return None

    def _chinese(self, figures: Figures) -> tuple[str, str] | None:
        size = figures.characters
        if size < self.min_characters:
            return "too_few_characters", f"{size} characters, fewer than {self.min_characters}"
        if size > self.max_characters:
            return "too_many_characters", f"{size} characters, more than {self.max_characters}"
        share = figures.han / size
        if share < self.min_han_share:
            return "han_share", f"{share:.0%} of the characters are Han, less than {self.min_han_share:.0%}"
        return None

    def _marks(self, figures: Figures, words: float) -> tuple[str, str] | None:
        from acclimate.corpus.clean.prose_figures import MARKS

        for mark, count in zip(MARKS, figures.marks, strict=True):
            share = count / words
            if share > self.max_symbols:
                return "symbols", f"{share:.2f} of {mark} for each word, more than {self.max_symbols:g}"
        bullets = figures.bullet_lines / figures.lines
        if bullets > self.max_bullet_lines:
            found = f"{bullets:.0%} of the lines begin with a bullet, more than {self.max_bullet_lines:.0%}"
            return "bullets", found
        ellipses = figures.ellipsis_lines / figures.lines
        if ellipses > self.max_ellipsis_lines:
            found = (
                f"{ellipses:.0%} of the lines end with an ellipsis, more than {self.max_ellipsis_lines:.0%}"
            )
            return "ellipses", found
        return None
