"""The rules of C4 (Raffel et al. 2020, "Exploring the limits of transfer learning", JMLR 21, section 2.2)."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from acclimate.corpus.clean.han import is_chinese
from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count

_TERMINAL = (".", "!", "?", '"', "”", "’", "。", "！", "？", "…", "」", "』", "；")
_SENTENCE_END = re.compile(r"[.!?]+(?=[\s\"”’)]|$)|[。！？…]+")
_POLICY = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies", "javascript",
    "隐私政策", "使用条款", "服务条款", "隱私政策", "使用條款",
)  # fmt: skip
_WIKI_MARK = re.compile(r"\[(?:\d*|edit|citation needed)\]|\[(?:编辑|編輯|来源请求|來源請求)\]")
_SPACE = re.compile(r"\s+")


class C4(Component):
    """Keeps the lines that are sentences, and drops the documents that are none, by reason `c4:<rule>`.

    Lines go that do not end in a terminal mark, that are short, or that speak of cookies, policies or
    JavaScript; documents go by the rules lorem_ipsum, curly_bracket and too_few_sentences (counted in what is
    left). The published word list is not part of it (see `blocklist`), nor is the removal of repeated spans.
    Documents that lost lines are counted as `c4`. For Chinese a line is measured in characters; ours.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "c4")

    min_sentences: Count = 3
    """Fewest sentences of a document (Raffel et al.)."""
    min_line_words: Count = 5
    """Fewest words of a line (Raffel et al.)."""
    min_line_characters: Count = Field(default=10)
    """Fewest characters of a line of Chinese; ours, two for each word."""
    terminal_marks: bool = True
    """Whether a line must end in a full stop, a question or exclamation mark, or a closing quotation mark."""
    curly_brackets: bool = False
    """Whether documents with a `{` stay; they are mostly program text (Raffel et al. drop them)."""

    def build(self) -> Cleaner:
        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                broken, text = self.judged(document.text)
                if broken:
                    cleaned.dropped.append(Dropped(f"c4:{broken[0]}", document.place, broken[1]))
                elif text == document.text:
                    cleaned.documents.append(document)
                else:
                    cleaned.change(document, text, "c4")
            return cleaned

        return clean

    def judged(self, text: str) -> tuple[tuple[str, str] | None, str]:
        """((rule that the text breaks, what was found) or None, the lines that stay)."""
        lower = text.lower()
        if "lorem ipsum" in lower:
            return ("lorem_ipsum", "it holds the filler text `lorem ipsum`"), ""
        if not self.curly_brackets and "{" in text:
            return ("curly_bracket", f"{text.count('{')} curly brackets, more than 0"), ""
        chinese = is_chinese(text)
        lines = [kept for line in text.split("\n") if (kept := self._kept(line, chinese))]
        if any(map(lower.__contains__, _POLICY)):
            lines = [line for line in lines if not any(map(line.lower().__contains__, _POLICY))]
        left = "\n".join(lines)
        sentences = sum(max(1, len(_SENTENCE_END.findall(line))) for line in lines)
        if sentences < max(1, self.min_sentences):
            found = f"{sentences} sentences in {len(lines)} lines that stay, fewer than {self.min_sentences}"
            return ("too_few_sentences", found), ""
        return None, left

    def _kept(self, line: str, chinese: bool) -> str:
        """The line without marks of encyclopaedias; empty where it goes."""
        line = _WIKI_MARK.sub("", line).strip() if "[" in line else line.strip()
        if self.terminal_marks and (not line.endswith(_TERMINAL) or line.endswith("...")):
            return ""
        if chinese:
            if len(_SPACE.sub("", line)) < self.min_line_characters:
                return ""
        elif len(line.split()) < self.min_line_words:
            return ""
        return line
