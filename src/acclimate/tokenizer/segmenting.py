"""Words of Chinese, by jieba's dictionary and hidden Markov model (rjieba, the same in Rust)."""

from __future__ import annotations

import re

from acclimate.errors import UserError
from acclimate.tokenizer.pieces import Segment

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]+")


def chinese_words() -> Segment:
    """Cuts runs of Han characters into words; all other text stays as it is. Raises UserError without rjieba."""
    try:
        import rjieba
    except ImportError:
        raise UserError(
            "words of Chinese are found by rjieba, which is not installed; pip install 'acclimate[zh]'"
        ) from None

    def segment(text: str) -> list[str]:
        parts: list[str] = []
        end = 0
        for run in HAN.finditer(text):
            if run.start() > end:
                parts.append(text[end : run.start()])
            parts += rjieba.cut(run.group())
            end = run.end()
        if end < len(text):
            parts.append(text[end:])
        return parts

    return segment


def spaced_with_words(segment: Segment) -> Segment:
    """The same for words that bear a ▁ before them, which stays with the first part."""

    def parts(word: str) -> list[str]:
        found = segment(word)
        if len(found) > 1 and found[0] == "▁":
            return ["▁" + found[1], *found[2:]]
        return found

    return parts
