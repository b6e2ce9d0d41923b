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
    kept, dropped = Language(keep=["en", "zh"]).build()(documents(ENGLISH, CHINESE, FRENCH))
    assert [one.text for one in kept] == [ENGLISH, CHINESE]
    assert [one.reason for one in dropped] == ["language"] and dropped[0].detail.startswith("fr (")


def test_doubtful_guesses_can_be_dropped(documents: Callable[..., list[Document]]) -> None:
    unsure = Language(keep=["en"], min_confidence=0.99999).build()
    assert unsure(documents("and"))[0] == []
    assert len(Language(keep=["en"]).build()(documents(ENGLISH))[0]) == 1


def test_unknown_codes_name_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown code 'zhh'; did you mean 'zh'"):
        Language(keep=["zhh"]).build()


def test_one_language_may_stand_bare() -> None:
    assert Language.model_validate({"keep": "en"}).keep == ["en"]
