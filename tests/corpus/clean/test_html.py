from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.corpus.clean.html import Html
from acclimate.corpus.clean.html_blocks import read_page
from acclimate.corpus.clean.main_text import all_text, main_text
from acclimate.corpus.document import Document

PROSE = "The river rose quickly after the storm, and the fields were under water by noon. Nobody had seen it coming."
散文 = (
    "暴雨过后，河水迅速上涨，到中午时分，低处的田地已经全部被水淹没。没有人预料到这样的情况，村民们纷纷赶来。"
)
PAGE = """<!DOCTYPE html><html><head><title>A &amp; B</title><style>p {{}}</style>
<script>if (a < b) "</p>";</script></head>
<body><header><ul><li><a href=/>Home</a><li><a href=/news>News</a></ul></header><nav>Menu</nav>
<div class="content"><h1>Flood</h1><p>{0}<p>{0} <a href="x">a link</a><ul><li>first point of the list, which matters
<li>second</ul><div class="share-buttons">Share this</div><p hidden>not seen</p><!-- <p>no</p> --></div>
<aside>Related stories</aside><footer>All rights reserved, {0}</footer></body></html>"""


@pytest.mark.parametrize("prose", [PROSE, 散文])
def test_main_text_of_a_page(prose: str) -> None:
    assert main_text(PAGE.format(prose)).split("\n") == [
        "Flood",
        prose,
        f"{prose} a link",
        "first point of the list, which matters",
        "second",
    ]


def test_lists_that_are_mostly_links_go_and_others_stay() -> None:
    links = "".join(f"<li><a href={n}>Another story, number {n}</a></li>" for n in range(5))
    points = "<li>a point with <a href=x>a link</a> in a sentence that is longer</li>" * 2
    html = f"<div><p>{PROSE}</p><ul>{points}</ul><p>{PROSE}</p><ul>{links}</ul><p>{PROSE}</p></div>"
    point = "a point with a link in a sentence that is longer"
    assert main_text(html).split("\n") == [PROSE, point, point, PROSE, PROSE]


def test_all_text_has_the_furniture_too() -> None:
    lines = all_text(PAGE.format(PROSE)).split("\n")
    assert {"Home", "News", "Menu", "Share this", "Related stories"} <= set(lines)
    assert "not seen" not in lines and not any("if (a" in line for line in lines)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<p>two", "one\ntwo"),
        ("<p>a<br>b<br/>c", "a\nb\nc"),
        ("<p>AT&amp;T &lt;3 &#20013;&#x6587; &nbsp;x", "AT&T <3 中文 x"),
        ("a < b and c > d <p>e", "a < b and c > d\ne"),
        ("<b>bold</b> and <i>italic</i>", "bold and italic"),
        ("<pre>  two\n  lines</pre>", "two\nlines"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "1\n2\n3"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "a\nb\nc"),
        ("x</div></p></b>y", "xy"),
        ('<p title="a > b">x', "x"),
        ("<p title='never closed>x", ""),
        ("<script>x", ""),
        ("<!-- never closed <p>x", ""),
        ("<p style='display: none'>x</p>y", "y"),
        ("<div aria-hidden=true>x</div>y", "y"),
        ("<textarea>x</textarea><select><option>o</select>y", "y"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_what_a_page_shows(html: str, text: str) -> None:
    assert (
        " ".join(all_text(html).split(" ")).replace("  ", " ") == text
        or all_text(html).split() == text.split()
    )


def test_the_title_is_known() -> None:
    assert read_page(PAGE.format(PROSE)).title == "A & B"


def test_a_page_that_is_all_furniture_still_gives_its_text() -> None:
    assert main_text(f"<nav><p>{PROSE}</nav>") == PROSE
    assert main_text(f"<div class=sidebar><p>{PROSE}</div>") == PROSE


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 300_000 + "x",
        "<b>" * 300_000 + "x",
        "<b><p>" * 100_000 + "x",
        "<table><tr><td>" * 100_000 + "x",
        "<a><div>" * 100_000 + "x",
        "<li><b>" * 100_000 + "</ul>x",
        "<p>x" * 300_000,
        "</div>" * 300_000 + "x",
        "<" * 500_000,
        "<a " * 200_000,
        "<a b='" * 200_000,
        "<!--" * 200_000,
        "&" * 500_000,
        "<svg><title>" * 100_000,
        "<ul>" * 2_000 + "<b>" * 100_000 + "<li></li>" * 2_000,
    ],
)
def test_bombs_take_no_longer_than_their_size_asks_for(html: str) -> None:
    """Two seconds would be a hundred times what a page of this size takes; the real limit is that it ends."""
    assert isinstance(main_text(html), str)


@given(st.text(alphabet="<>/=\"'& abpdivltr!-\n中", max_size=200))
def test_any_text_can_be_read(html: str) -> None:
    assert isinstance(main_text(html), str)


def test_counts(documents: Callable[..., list[Document]]) -> None:
    texts = documents(f"<p>{PROSE}</p>", "a < b is no HTML & stays &amp; as it is", "<script>x</script>")
    cleaned = Html().build()(texts)
    assert [one.text for one in cleaned.documents] == [PROSE, texts[1].text]
    assert cleaned.changed == {"html": 1}
    assert [(one.reason, one.detail) for one in cleaned.dropped] == [
        ("no_main_text", "18 characters of HTML that show no text")
    ]
    assert Html(keep="all").build()(documents(PAGE.format(PROSE))).documents[0].text.startswith("Home")


def test_real_chinese_pages(shared: Path) -> None:
    """News pages of six sites: the text begins and ends where the article does."""
    expected = {
        "tests/163/2.html": ("（原标题：姚明对周琦说了啥？", "2次抢断、2记盖帽。"),
        "tests/ifeng/1.html": ("澎湃新闻记者 段彦超 廖艳", "（实习生王金茹对此文亦有贡献）"),
        "tests/baijiahao/2.html": ("IT之家9月30日消息", "没见过也没用过”。"),
        "tests/gzggw/1.html": ("1-10月，全县固定资产投资完成", "（德清县发改局）"),
    }
    with tarfile.open(shared / "html_pages" / "chinese_news_pages.tar.gz") as archive:
        for name, (first, last) in expected.items():
            member = next(one for one in archive.getnames() if one.endswith(name))
            text = main_text(archive.extractfile(member).read().decode("utf-8"))  # type: ignore[union-attr]
            assert text.startswith(first) and last in text[-60:], name
