from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from acclimate.corpus.clean.chinese_script import ChineseScript
from acclimate.corpus.clean.chinese_scripts import SIMPLIFIED, TRADITIONAL, script_of
from acclimate.corpus.document import Document
from acclimate.errors import UserError


def converted(text: str, **options: str) -> str:
    cleaned = ChineseScript(**options).build()([Document("a", "a:1", text, {})])  # type: ignore[arg-type]
    return cleaned.documents[0].text


def test_characters_are_chosen_by_their_word() -> None:
    pytest.importorskip("opencc")
    assert converted("漢字軟件，頭髮與發財") == "汉字软件，头发与发财"
    assert converted("头发与发财，干净和干部", to="traditional") == "頭髮與發財，乾淨和幹部"
    assert converted("里面", to="taiwan") == "裡面"
    assert converted("plain English") == "plain English"


def test_japanese_stays(documents: Callable[..., list[Document]]) -> None:
    pytest.importorskip("opencc")
    cleaned = ChineseScript().build()(documents("東京都の天気は晴れです。", "東京的天氣"))
    assert [one.text for one in cleaned.documents] == ["東京都の天気は晴れです。", "东京的天气"]
    assert cleaned.changed == {"chinese_script": 1}


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(UserError, match=r"pip install 'acclimate\[zh\]'"):
        ChineseScript().build()


def test_scripts_are_told_apart() -> None:
    assert script_of("我们学习汉语") == (SIMPLIFIED, 1.0)
    assert script_of("我們學習漢語") == (TRADITIONAL, 1.0)
    assert script_of("你好 hello") == (None, 0.0)
    assert script_of("")[0] is None
