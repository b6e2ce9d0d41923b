from __future__ import annotations

import sys

import pytest
from pydantic import ValidationError

from acclimate.errors import UserError
from acclimate.tokenizer.segmenting import chinese_words, spaced_with_words
from acclimate.tokenizer.training import Train


def test_only_chinese_is_cut_and_nothing_is_lost(chinese: list[str], english: list[str]) -> None:
    cut = chinese_words()
    assert cut("我们喜欢自然语言处理 and BERT模型。") == [
        "我们",
        "喜欢",
        "自然语言",
        "处理",
        " and BERT",
        "模型",
        "。",
    ]
    for text in [*chinese[:500], *english[:200], "", "  ", "𠀀𠀁 ｆ"]:
        assert "".join(cut(text)) == text
    assert spaced_with_words(cut)("▁我们喜欢") == ["▁我们", "喜欢"]
    assert spaced_with_words(cut)("▁the") == ["▁the"] and spaced_with_words(cut)("▁") == ["▁"]


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(UserError, match=r"pip install 'acclimate\[zh\]'"):
        chinese_words()


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(ValidationError, match="pre_segment has no effect on wordpiece"):
        Train(pre_segment="jieba")
    with pytest.raises(ValidationError, match="min_count has no effect on unigram"):
        Train(algorithm="unigram", min_count=3)
