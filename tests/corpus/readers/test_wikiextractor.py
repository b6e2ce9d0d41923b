from __future__ import annotations

import json
from typing import Any

PAGES = """\
<doc id="1" url="https://en.wikipedia.org/wiki?curid=1" title="A &amp; &quot;B&quot;">
A &amp; "B"

A &lt;tag&gt; is here.
And 这里.

</doc>
<doc id="2" url="u" title="空">
空



</doc>
"""


def test_zhwiki_has_6417_pages_of_which_2911_hold_only_a_title(shared: Any, read_all: Any) -> None:
    found = read_all("wikiextractor", shared / "zhwiki")
    assert (len(found.documents), found.dropped) == (6_417 - 2_911, {"title_only": 2_911})
    first = found.documents[0]
    assert first.text.startswith("妄想女友\n《妄想女友》（）是2015年5月23日開始")
    assert first.fields == {
        "id": "4891097",
        "url": "https://zh.wikipedia.org/wiki?curid=4891097",
        "title": "妄想女友",
    }
    assert found.records[0].fields["text"].startswith("《妄想女友》")


def test_text_and_json_are_read_alike(put: Any, read_all: Any) -> None:
    marked = read_all("wikiextractor", put("AA/wiki_00", PAGES), title=False)
    rows = [
        {
            "id": "1",
            "url": "https://en.wikipedia.org/wiki?curid=1",
            "title": 'A & "B"',
            "text": "A &lt;tag&gt; is here.\nAnd 这里.",
        },
        {"id": "2", "url": "u", "title": "空", "text": ""},
    ]
    lines = read_all("wikiextractor", put("BB/wiki_00", "\n".join(map(json.dumps, rows))), title=False)
    for found in (marked, lines):
        assert [one.text for one in found.documents] == ["A <tag> is here.\nAnd 这里."]
        assert found.documents[0].fields["title"] == 'A & "B"'
        assert found.dropped == {"title_only": 1}


def test_broken_pages_are_counted(put: Any, read_all: Any, refused: Any) -> None:
    path = put(
        "wiki_00",
        PAGES + '<doc id="3" title="x">\nx\n\ncut <doc id="4" title="y">\ny\n\nfine\n</doc>\nstray\n',
    )
    found = read_all("wikiextractor", path)
    assert (len(found.documents), found.dropped) == (2, {"title_only": 1, "wrong_shape": 1})
    path = put(
        "wiki_01",
        PAGES + '<doc id="3" title="x">\nx\n\n<doc id="4" title="y">\ny\n\nfine\n</doc>\n<doc id="5">\ncut',
    )
    found = read_all("wikiextractor", path)
    assert found.dropped == {"title_only": 1, "wrong_shape": 2} and len(found.documents) == 2
    path = put("wiki_02", "<mediawiki>\n<page>\n")
    assert refused("wikiextractor", path).startswith(f"{path}:1: expected a line `<doc id=")
