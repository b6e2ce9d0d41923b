"""Moses, OpenSubtitles, pairs by tabs, TMX."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from pydantic import ValidationError

from acclimate.corpus.readers.moses import Moses


def test_multi30k_in_three_languages(shared: Any, read_all: Any) -> None:
    found = read_all("moses", shared / "multi30k", sides=["en", "de"])
    assert (len(found.records), len(found.documents)) == (29_000, 58_000) and not found.dropped
    assert found.documents[1].fields["side"] == "de"
    assert found.documents[1].fields["en"] == found.documents[0].text == found.fields[0]["en"]
    assert found.fields[0]["de"].startswith("Zwei junge weiße Männer")
    found = read_all("moses", shared / "multi30k", sides=["en", "de", "fr"], part="validation", use=["fr"])
    assert (len(found.records), len(found.documents)) == (1_014, 1_014)
    assert set(found.fields[0]) == {"en", "de", "fr"}
    # Of the test of 2016 and 2017 both.
    assert len(read_all("moses", shared / "multi30k", sides=["fr", "de"], part="test").records) == 2_000


def test_what_names_begin_with_and_references(shared: Any, read_all: Any) -> None:
    found = read_all("moses", shared / "multi30k" / "val", sides=["en", "fr"])
    assert len(found.records) == 1_014
    for part, size in (("dev", 754), ("test", 747)):
        found = read_all("moses", shared / "jfleg" / part, sides=["src", "ref0", "ref1", "ref2", "ref3"])
        assert len(found.records) == size


def test_episodes_in_an_archive(shared: Any, read_all: Any) -> None:
    path = shared / "tvsub_en_zh" / "episodes.tar.gz"
    found = read_all("opensubtitles", path, sides=["en", "zh"])
    assert (len(found.records), len(found.documents)) == (27_293, 80) and not found.dropped
    assert {one.fields["side"] for one in found.documents} == {"en", "zh"}
    assert found.records[0].place.startswith(f"{path}/") and found.records[0].place.endswith(":1")
    assert len(read_all("moses", path).documents) == 2 * 27_293


def test_chapters_of_classical_and_modern_chinese(shared: Any, read_all: Any) -> None:
    path = shared / "classical_modern_zh" / "bitext.tar.gz"
    found = read_all("moses", path, sides=["source", "target"], documents="file", use=["source"])
    assert (len(found.records), len(found.documents)) == (13_079, 873) and not found.dropped


def test_films_begin_where_the_ids_say(put: Any, read_all: Any, tmp_path: Any) -> None:
    put("OpenSubtitles.en-zh_cn.en", "a\nb\nc\n")
    put("OpenSubtitles.en-zh_cn.zh_cn.gz", gzip.compress("一\n二\n三\n".encode()))
    put(
        "OpenSubtitles.en-zh_cn.ids",
        "en/1/x.gz\tzh/1/y.gz\t1\t1\nen/1/x.gz\tzh/1/y.gz\t2\t2\nen/2/x.gz\tzh/2/y.gz\t1\t1\n",
    )
    found = read_all("opensubtitles", tmp_path)
    assert [one.text for one in found.documents] == ["a\nb", "一\n二", "c", "三"]
    assert found.documents[0].fields == {"side": "en", "film": "en/1/x.gz"}
    assert [
        one.text for one in read_all("opensubtitles", tmp_path, documents="line", use=["zh_cn"]).documents
    ] == ["一", "二", "三"]


def test_lines_that_do_not_match_are_counted(put: Any, read_all: Any, reader: Any, tmp_path: Any) -> None:
    put("c.en", b"a\n\nc\n \n\xff\xff\nf\ng\n")
    put("c.zh", "一\n二\n\n\n五\n六\n")
    put("d.en", "alone\n")
    found = read_all("moses", tmp_path)
    assert [fields["zh"] for fields in found.fields] == ["一", "六"]
    assert found.dropped == {"one_sided": 2, "empty": 1, "invalid_encoding": 1, "unaligned": 1, "unpaired": 1}
    (said,) = reader("moses", tmp_path, sides=["fr", "de"]).check()
    assert "expected files called *.fr" in said
    (said,) = reader("moses", tmp_path / "c.en", sides=["fr", "en"]).check()
    assert "expected files that end in .fr (`sides:` names the endings), found c.en" in said
    with pytest.raises(ValidationError, match="use: 'fr' is not among the sides en, zh"):
        Moses(path="x", use=["fr"])
    with pytest.raises(ValidationError, match="one stands twice"):
        Moses(path="x", sides=["en", "en"])


def test_pairs_by_tabs(shared: Any, read_all: Any, put: Any, refused: Any) -> None:
    found = read_all("tab_pairs", shared / "tatoeba_en_zh")
    assert (len(found.records), found.dropped) == (30_979, {"wrong_shape": 1})
    assert found.fields[0] == {"en": "Hi.", "zh": "嗨。"}
    found = read_all("tab_pairs", shared / "news_commentary_en_zh", use=["zh"])
    assert len(found.records) == len(found.documents) == 1_000
    assert (
        found.documents[0].text == "1929年还是1989年?" and found.documents[0].fields["en"] == "1929 or 1989?"
    )
    found = read_all("tab_pairs", put("cmn.txt", "Hi.\t嗨。\tCC-BY 2.0\n\tx\n\n"))
    assert found.fields == [{"en": "Hi.", "zh": "嗨。"}] and found.dropped == {"one_sided": 1, "empty": 1}
    assert refused("tab_pairs", put("x.txt", "only one\n")).endswith(
        ":1: expected `en<TAB>zh`, found 'only one'"
    )


TMX = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header creationtool="x" srclang="en"/><body>
<tu tuid="1"><tuv xml:lang="en-US"><seg>Hello &amp; <bpt i="1">&lt;b&gt;</bpt>welcome<ept i="1">&lt;/b&gt;</ept>
 to <hi>us</hi>.</seg></tuv><tuv xml:lang="ZH"><seg>你好。</seg></tuv></tu>
<tu><tuv lang="en"><seg>Only English</seg></tuv><tuv xml:lang="fr"><seg>Oui</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Bye</seg></tuv><tuv xml:lang="zh-CN"><seg>再见</seg></tuv></tu>
</body></tmx>
"""


def test_tmx(put: Any, read_all: Any) -> None:
    path = put("a.tmx", TMX)
    found = read_all("tmx", path)
    assert found.fields == [{"en": "Hello & welcome to us.", "zh": "你好。"}, {"en": "Bye", "zh": "再见"}]
    assert found.dropped == {"one_sided": 1} and found.records[1].place == f"{path}:tu[3]"
    found = read_all("tmx", put("b.tmx.gz", gzip.compress(TMX.encode())), sides=["fr", "en"], use=["fr"])
    assert [one.text for one in found.documents] == ["Oui"] and found.dropped == {"one_sided": 2}


def test_broken_tmx(put: Any, read_all: Any, refused: Any) -> None:
    found = read_all(
        "tmx",
        put("a.tmx", TMX.replace('<tu><tuv xml:lang="en"><seg>Bye', '<tu><tuv xml:lang="en"><seg>Bye</tu>')),
    )
    assert len(found.records) == 1 and found.dropped == {"one_sided": 1, "wrong_shape": 1}
    path = put("b.tmx", "<html><body>no</body></html>")
    assert refused("tmx", path).startswith(f"{path}:1: expected TMX: <tmx>")
    assert "found 'plain text': " in refused("tmx", put("c.tmx", "plain text\n"))
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {new} "{10 * f"&{old};"}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    path = put("d.tmx", bomb + '] ><tmx><body><tu><tuv xml:lang="en"><seg>&j;</seg></tuv></tu></body></tmx>')
    assert "expected TMX" in refused("tmx", path)


def test_tmx_lets_go_of_what_it_has_read(put: Any, reader: Any) -> None:
    import tracemalloc

    unit = '<tu><tuv xml:lang="en"><seg>Some words here</seg></tuv><tuv xml:lang="zh"><seg>几个字</seg></tuv></tu>\n'
    path = put("a.tmx", "<tmx><body>\n" + 10_000 * unit + "</body></tmx>")
    tracemalloc.start()
    try:
        assert sum(1 for _ in reader("tmx", path).records()) == 10_000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
