from __future__ import annotations

from collections.abc import Callable

import pytest

from acclimate.corpus.clean.boilerplate import Boilerplate
from acclimate.corpus.document import Document

ENGLISH = "The river rose quickly after the storm, and the lower fields were under water by noon."
CHINESE = "暴雨过后河水迅速上涨，到中午时分，低处的田地已经全部被水淹没了。"


def kept(text: str, **options: bool | int) -> list[str]:
    cleaned = Boilerplate(**options).build()([Document("a", "a:1", text, {})])  # type: ignore[arg-type]
    return cleaned.documents[0].text.split("\n") if cleaned.documents else []


@pytest.mark.parametrize(
    "line",
    [
        "This website uses cookies to improve your experience. Accept all cookies",
        "Read more",
        "Continue reading →",
        "© 2020 The Daily Example. All rights reserved.",
        "Share this on Facebook",
        "Sign up for our newsletter",
        "Skip to content",
        "12 Comments",
        "Related articles",
        "Please enable JavaScript in your browser",
        "Home",
    ],
)
def test_typical_lines_of_english_pages_go(line: str) -> None:
    assert kept(f"{ENGLISH}\n{line}") == [ENGLISH]


@pytest.mark.parametrize(
    "line",
    [
        "版权所有 未经许可不得转载",
        "点击查看更多内容",
        "（责任编辑：王小明）",
        "上一篇：昨日新闻",
        "返回首页",
        "分享到：微信 微博",
        "关注我们的微信公众号",
        "京ICP备12345678号",
        "相关阅读：",
        "登录后发表评论，没有账号请注册",
        "首页 > 新闻 > 社会",
    ],
)
def test_typical_lines_of_chinese_pages_go(line: str) -> None:
    assert kept(f"{CHINESE}\n{line}") == [CHINESE]


@pytest.mark.parametrize(
    "line",
    [
        "Scientists read more papers each year, and cookies are what they eat while reading them in the lab at night "
        "with the windows open and the radio on, according to a survey of two hundred departments.",
        "He logged the changes and went home.",
        "She shares her house with two cats.",
        "版权制度的历史可以追溯到十八世纪的英国，当时的法律第一次承认了作者对其作品享有权利，此后这一制度逐渐传播到欧洲大陆和美洲各国。",
        "他点击了鼠标，屏幕亮了起来。",
        "关注教育就是关注未来。",
    ],
)
def test_prose_that_mentions_such_things_stays(line: str) -> None:
    text = f"{CHINESE if not line.isascii() else ENGLISH}\n{line}"
    assert kept(text) == text.split("\n")


def test_repeated_lines_go_but_for_the_first() -> None:
    text = f"{ENGLISH}\nBuy our book today\nok\nBuy our book today\nok\nBuy our book today"
    assert kept(text) == [ENGLISH, "Buy our book today", "ok", "ok"]
    assert kept(text, max_repeats=2) == [ENGLISH, "Buy our book today", "ok", "Buy our book today", "ok"]
    assert kept("Read more\nx", typical=False) == ["Read more", "x"]


def test_what_is_changed_and_dropped_is_counted(documents: Callable[..., list[Document]]) -> None:
    cleaned = Boilerplate().build()(documents(f"{ENGLISH}\nRead more", "Home\nMenu", CHINESE))
    assert [one.text for one in cleaned.documents] == [ENGLISH, CHINESE]
    assert cleaned.changed == {"boilerplate": 1}
    assert [(one.reason, one.detail) for one in cleaned.dropped] == [
        ("boilerplate", "all of its 2 lines are furniture, such as 'Home'")
    ]
