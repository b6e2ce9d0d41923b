"""Readers of unlabelled text: enwik8, text8, BookCorpus, Gigaword, WebText, WikiLingua."""

from __future__ import annotations

import json
from typing import Any

import pytest

from acclimate.corpus.readers.enwik import Enwik8, Text8

ENWIK = """\
<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.3/" xml:lang="en">
  <siteinfo>
    <sitename>Wikipedia</sitename>
  </siteinfo>
  <page>
    <title>AaA</title>
    <id>1</id>
    <revision>
      <id>32899315</id>
      <text xml:space="preserve">#REDIRECT [[AAA]]</text>
    </revision>
  </page>
  <page>
    <title>Anarchism &amp; 无政府</title>
    <id>12</id>
    <revision>
      <id>42136831</id>
      <contributor><username>x</username></contributor>
      <text xml:space="preserve">{{Anarchism}}
'''Anarchism''' is &lt;ref&gt; 无政府主义

== More ==
</text>
    </revision>
  </page>
  <page>
    <title>Cut</title>
    <id>13</id>
    <revision>
      <text xml:space="preserve">It ends in
"""


def test_pages_of_enwik(put: Any, read_all: Any) -> None:
    found = read_all("enwik8", put("enwik8", ENWIK))
    (page,) = found.documents
    assert page.text == "{{Anarchism}}\n'''Anarchism''' is <ref> 无政府主义\n\n== More ==\n"
    assert page.fields == {"title": "Anarchism & 无政府", "id": "12"}
    assert found.dropped == {"redirect": 1, "cut_off": 1} and page.place.endswith(":13")


@pytest.mark.parametrize("ahead", range(-6, 8))
def test_raw_parts_of_enwik_are_the_file(
    ahead: int, put: Any, read_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the parts' ends fall, also within a character or a line."""
    text = ENWIK * 2
    # The training part ends around the first of five Chinese characters.
    size = (len(text[: text.index("无政府主义", len(ENWIK))].encode()) + ahead) * 10 // 9
    monkeypatch.setattr(Enwik8, "size", size)
    path = put("enwik8", text)
    parts = [
        "".join(
            one.text + "\n"
            for one in read_all("enwik8", path, documents="raw", piece=100, part=part).documents
        )
        for part in ("train", "validation", "test")
    ]
    joined = "".join(parts)
    # Where a line is cut, the pieces of both parts end.
    assert joined.replace("\n", "") == text.replace("\n", "") and 0 <= len(joined) - len(text) <= 2
    assert abs(len(parts[0].encode()) - size * 9 // 10) <= 4
    whole = read_all("enwik8", path, documents="raw", piece=100)
    assert "\n".join(one.text for one in whole.documents) + "\n" == text
    assert all(len(one.text) >= 100 for one in whole.documents[:-1]) and len(whole.documents) > 10


def test_parts_of_text8(put: Any, read_all: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " anarchism originated as a term of abuse first used against" * 400
    monkeypatch.setattr(Text8, "size", len(text))
    path = put("text8", text)
    whole = read_all("text8", path, piece=1000)
    assert "".join(one.text for one in whole.documents) == text
    assert all(1000 <= len(one.text) < 1020 and one.text.startswith(" ") for one in whole.documents[:-1])
    parts = {
        part: "".join(one.text for one in read_all("text8", path, part=part).documents)
        for part in ("train", "validation", "test")
    }
    assert "".join(parts.values()) == text
    assert [len(part) for part in parts.values()] == [
        len(text) * 90 // 100,
        len(text) * 5 // 100,
        len(text) * 5 // 100,
    ]


def test_a_line_of_a_hundred_megabytes_is_read_piece_by_piece(put: Any, reader: Any) -> None:
    import tracemalloc

    path = put("text8", b" anarchism" * 3_000_000)
    tracemalloc.start()
    try:
        assert sum(len(one.text) for one in reader("text8", path).read()) == 30_000_000
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_other_text_is_neither(put: Any, refused: Any) -> None:
    path = put("a.txt", "Upper Case and 数字")
    assert (
        refused("text8", path)
        == f"{path}:1+0: expected one line of words in lower case, a to z, with single spaces, "
        "found 'Upper Case and 数字'"
    )
    assert refused("enwik8", path).startswith(
        f"{path}:1: expected XML of a Wikipedia dump, as `  <page>`, found 'Upper"
    )


def test_books(put: Any, read_all: Any, tmp_path: Any) -> None:
    put("one.txt", "usually , he would be tearing around .\n\n but just now , he could n't .\n")
    put("二.txt", "第一章\n\n　　从前。\n")
    found = read_all("bookcorpus", tmp_path)
    assert [one.text for one in found.documents] == [
        "usually , he would be tearing around .\nbut just now , he could n't .",
        "第一章\n从前。",
    ]
    path = put("books_large_p1.txt", b"a .\nb .\nc .\n\xff\nd .\ne .\n")
    found = read_all("bookcorpus", path, sentences=2)
    assert [one.text for one in found.documents] == ["a .\nb .", "c .\nd .", "e ."]
    assert found.dropped == {"invalid_encoding": 1}
    assert [one.place for one in found.documents] == [f"{path}:{line}" for line in (1, 3, 6)]


GIGAWORD = """\
<DOC id="AFP_ENG_19940512.0003" type="story" >
<HEADLINE>
Zidane &AMP; co
</HEADLINE>
<DATELINE>
PARIS, May 12 (AFP)
</DATELINE>
<TEXT>
<P>
The first line
goes on.
</P>
<P>
AT&amp;T said so.
</P>
</TEXT>
</DOC>
<DOC id="AFP_ENG_2" type="other" >
<TEXT>
1 2 3
</TEXT>
</DOC>
<DOC id="XIN_CMN_19910101.0075" type="story">
<HEADLINE>
标题
</HEADLINE>
<TEXT>
<P>
一行中文
又一行。
</P>
</TEXT>
</DOC>
<DOC id="AFP_ENG_4" type="story" >
<TEXT>
cut
"""


def test_gigaword(put: Any, read_all: Any, refused: Any) -> None:
    found = read_all("gigaword", put("afp_eng_199405", GIGAWORD))
    assert [one.text for one in found.documents] == [
        "The first line goes on.\nAT&T said so.",
        "一行中文又一行。",
    ]
    assert found.documents[0].fields == {
        "headline": "Zidane & co",
        "dateline": "PARIS, May 12 (AFP)",
        "id": "AFP_ENG_19940512.0003",
        "type": "story",
    }
    assert found.dropped == {"other_type": 1, "wrong_shape": 1}
    assert len(read_all("gigaword", put("b.sgml", GIGAWORD), types=["story", "other"]).documents) == 3
    path = put("c.sgml", "plain\n")
    assert refused("gigaword", path) == f'{path}:1: expected `<DOC id="…" type="story">`, found \'plain\''


def test_summaries_of_gigaword_are_aligned_files(put: Any, read_all: Any, tmp_path: Any) -> None:
    put("train.article.txt", "police said ## were held .\n")
    put("train.title.txt", "## held\n")
    found = read_all("moses", tmp_path, sides=["article", "title"], use=["article"])
    assert found.fields == [{"article": "police said ## were held .", "title": "## held"}]


def test_webtext(put: Any, read_all: Any, refused: Any) -> None:
    rows = [
        {"id": 255000, "ended": True, "length": 134, "text": "Is this restaurant 好?"},
        {"id": 1},
        {"id": 2, "text": " "},
    ]
    path = put("webtext.train.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    found = read_all("webtext", path.parent)
    assert [one.text for one in found.documents] == ["Is this restaurant 好?"]
    assert found.documents[0].fields == {"id": "255000", "ended": "true", "length": "134"}
    assert found.dropped == {"wrong_shape": 1, "no_text": 1}
    path = put("x.jsonl", '{"content": "' + 200 * "好" + '"}\n')
    said = refused("webtext", path)
    assert (
        said.startswith(f'{path}:1: expected an object a line with "text", as')
        and len(said) < len(str(path)) + 200
    )


def test_wikilingua(put: Any, read_all: Any, refused: Any) -> None:
    article = {
        "section_name": ["第一", "第二"],
        "document": ["做这个。", "做那个。"],
        "summary": ["这", "那"],
    }
    path = put("chinese.jsonl", json.dumps({"url": "https://zh/x", "article": article}) + '\n{"url": 1}\n')
    hub = read_all("wikilingua", path)
    assert hub.dropped == {"wrong_shape": 1}
    sections = {
        name: {"document": doc, "summary": short} for name, doc, short in zip(*article.values(), strict=True)
    }
    for indent in (None, 1):
        whole = read_all(
            "wikilingua", put(f"{indent}.json", json.dumps({"https://zh/x": sections}, indent=indent))
        )
        for found in (hub, whole):
            assert [one.text for one in found.documents] == ["做这个。\n做那个。"]
            assert found.documents[0].fields == {"url": "https://zh/x"}
            assert found.fields[1] == {
                "document": "做那个。",
                "summary": "那",
                "section_name": "第二",
                "url": "https://zh/x",
            }
    row = {
        "gem_id": "g1",
        "source_language": "zh",
        "target_language": "en",
        "source": "做。",
        "target": "Do.",
    }
    found = read_all("wikilingua", put("zh_en.jsonl", json.dumps(row) + "\n"))
    assert found.fields[0]["summary"] == "Do." and found.documents[0].text == "做。"
    assert "expected lines {" in refused("wikilingua", put("y.jsonl", '{"text": "x"}\n'))
    assert "expected lines {" in refused("wikilingua", put("z.json", "{\n}"))
