from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from acclimate.corpus.clean.quality import Quality
from acclimate.corpus.document import Document
from acclimate.recipe.corpus_section import Corpus

ENGLISH = (
    "The study of language has a long history, and many of its questions are still open. Scholars in several "
    "countries have asked how children learn to speak with so little help from their parents. Some believe that "
    "grammar must be known before birth; others point to the patterns that careful listeners can find in what they "
    "hear. A third group holds that both play a part, since neither alone explains the mistakes which learners make."
)
CHINESE = (
    "语言学的研究历史悠久，许多问题至今没有定论。不同国家的学者都曾追问，儿童为什么几乎不需要父母的帮助就能学会说话。"
    "有人认为语法知识与生俱来，也有人指出，认真的听者可以从日常对话里发现规律。第三种看法是两者都起作用，因为任何一种"
    "单独都无法解释学习者所犯的错误。近年来，计算机模型为这场争论提供了新的证据，但是如何解释这些结果仍有分歧。"
)


def rule(text: str, **options: Any) -> str | None:
    (broken,) = Quality(**options).broken_rules([text])
    return broken[0] if broken else None


def test_good_prose_passes_in_both_languages() -> None:
    assert rule(ENGLISH) is None
    assert rule(CHINESE) is None
    assert rule(ENGLISH + "\n" + CHINESE[:40]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Too short to be of use.", "too_few_words"),
        ("a b c d e of the to " * 20, "word_length"),
        ("incomprehensibilities " * 60, "word_length"),
        (" ".join(f"word{'#' * (n % 3 == 0)}" for n in range(60)) + " the of and", "symbols"),
        (ENGLISH.replace(" ", " 1234 "), "alphabetic"),
        (
            ENGLISH.replace("the", "zzz")
            .replace("that", "zz")
            .replace("and", "z")
            .replace(" to ", " zo ")
            .replace(" of ", " fo ")
            .replace("with", "w")
            .replace("have", "h")
            .replace("The", "z"),
            "stop_words",
        ),
        ("\n".join("- " + part for part in ENGLISH.split(" of ")).replace(" has", " of the has"), "bullets"),
        ("\n".join(part + " ..." for part in ENGLISH.split(", ")), "ellipses"),
        (ENGLISH + ("\nShare this page with your friends." * 5), "duplicate_lines"),
        (ENGLISH + " buy now" * 15, "top_ngram"),
        (ENGLISH + " " + " ".join(ENGLISH.split()[:25]), "duplicate_ngrams"),
        ("太短了，没有什么内容。", "too_few_characters"),
        (CHINESE[:60] + " x1 y2 z3 " * 20, "han_share"),
        (CHINESE.replace("，", "……") + "…" * 12, "symbols"),
        ("\n".join("· " + part for part in CHINESE.split("，")), "bullets"),
        (CHINESE + "\n点击这里查看更多内容和相关的新闻。" * 6, "duplicate_lines"),
        (CHINESE + CHINESE[:60], "duplicate_ngrams"),
        (CHINESE + "免费下载" * 20, "top_ngram"),
    ],
)
def test_each_rule_is_the_first_that_its_text_breaks(text: str, expected: str) -> None:
    assert rule(text) == expected


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Too short to be of use with that.", {"min_words": 3}),
        ("太短了，没有什么内容。", {"min_characters": 5}),
        (ENGLISH + " " + " ".join(ENGLISH.split()[:25]), {"repetition": False}),
        (
            "Ein kurzer deutscher Satz, der keines der Wörter hat. " * 2,
            {"min_words": 5, "min_stop_words": 0, "repetition": False},
        ),
    ],
)
def test_thresholds_are_settings(text: str, options: dict[str, Any]) -> None:
    assert rule(text) is not None
    assert rule(text, **options) is None


def test_two_characters_of_chinese_stand_for_a_word() -> None:
    size = len(CHINESE)
    assert rule(CHINESE + "#" * (size // 25)) is None  # 0.08 for each two characters
    assert rule(CHINESE + "。#" * (size // 15)) == "symbols"


def test_too_many() -> None:
    assert rule(ENGLISH, max_words=60) == "too_many_words"
    assert rule(CHINESE, max_characters=120) == "too_many_characters"


def test_reasons_carry_the_rule(documents: Callable[..., list[Document]]) -> None:
    cleaned = Quality().build()(documents(ENGLISH, "short"))
    assert len(cleaned.documents) == 1
    assert [(one.reason, one.detail) for one in cleaned.dropped] == [
        ("quality:too_few_words", "1 words, fewer than 50")
    ]


def test_the_recipe_takes_the_rules_bare() -> None:
    corpus = Corpus.model_validate({"sources": ["x.txt"], "clean": ["unicode", {"quality": "gopher"}]})
    assert corpus.clean[1] == Quality()


def test_blank_text_breaks_a_rule_instead_of_the_program() -> None:
    assert rule("", min_words=0) == "too_few_words"
