from __future__ import annotations

from collections.abc import Callable

import pytest

from acclimate.corpus.clean.language import Language
from acclimate.corpus.document import Document
from acclimate.errors import UserError

ENGLISH = "The patients were treated for six weeks and followed for a year."
CHINESE = "我们提出了一种新的方法，在两个数据集上取得了较好的结果。"
FRENCH = "Nous avons proposé une nouvelle méthode qui donne de bons résultats."


def test_only_the_wanted_languages_stay(documents: Callable[..., list[Document]]) -> None:
    cleaned = Language(keep=["en", "zh"]).build()(documents(ENGLISH, CHINESE, FRENCH))
    assert [one.text for one in cleaned.documents] == [ENGLISH, CHINESE]
    assert [(one.reason, one.place) for one in cleaned.dropped] == [("language", "a.txt:3")]
    assert cleaned.dropped[0].detail.startswith("fr (") and "not one of en, zh" in cleaned.dropped[0].detail


def test_doubtful_guesses_can_be_dropped(documents: Callable[..., list[Document]]) -> None:
    unsure = Language(keep=["en"], min_confidence=0.99999).build()
    assert unsure(documents("the cat")).documents == []
    assert len(Language(keep=["en"]).build()(documents(ENGLISH)).documents) == 1


def test_unknown_codes_name_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown code 'zhh'; did you mean 'zh'"):
        Language(keep=["zhh"]).build()
    (said,) = Language(keep=["en", "klingon", "zh-Hant"]).check()
    assert said[0] == ("keep", 1) and "unknown code 'klingon'" in said[1]


def test_one_language_may_stand_bare() -> None:
    assert Language.model_validate({"keep": "en"}).keep == ["en"]


SIMPLIFIED = "我们学习语言学的历史。"
TRADITIONAL = "我們學習語言學的歷史。"


def test_the_two_scripts_of_chinese_can_be_told_apart(documents: Callable[..., list[Document]]) -> None:
    texts = (SIMPLIFIED, TRADITIONAL, "你好", ENGLISH)

    def kept(*codes: str) -> list[str]:
        return [one.text for one in Language(keep=list(codes)).build()(documents(*texts)).documents]

    assert kept("zh") == [SIMPLIFIED, TRADITIONAL, "你好"]
    assert kept("zh-Hans") == [SIMPLIFIED, "你好"]
    assert kept("zh-Hant", "en") == [TRADITIONAL, "你好", ENGLISH]
    assert kept("zh-Hant", "zh") == [SIMPLIFIED, TRADITIONAL, "你好"]


def test_a_document_of_two_languages_is_judged_by_its_parts(
    documents: Callable[..., list[Document]],
) -> None:
    mixed = "\n".join([ENGLISH * 8, FRENCH * 5])
    alone = Language(keep=["en"]).build()
    by_parts = Language(keep=["en"], min_share=0.9).build()
    assert len(alone(documents(mixed, ENGLISH)).documents) == 2
    cleaned = by_parts(documents(mixed, ENGLISH * 9))
    assert [one.text for one in cleaned.documents] == [ENGLISH * 9]
    assert "of it in en, less than 90%" in cleaned.dropped[0].detail
    assert len(Language(keep=["en", "fr"], min_share=0.9).build()(documents(mixed)).documents) == 1
