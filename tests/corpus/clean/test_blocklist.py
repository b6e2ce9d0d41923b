from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from acclimate.corpus.clean.blocklist import Blocklist, finder
from acclimate.corpus.document import Document
from acclimate.errors import UserError

pytest.importorskip("ahocorasick")


def test_words_are_whole_words_and_chinese_is_found_anywhere() -> None:
    find = finder(["ass", "bad word", "赌博", "c++"])

    def found(text: str) -> list[str]:
        return [text[start:end] for start, end in find(text)]

    assert found("a class of asses and one ass.") == ["ass"]
    assert found("no badword but a bad word") == ["bad word"]
    assert found("在网上赌博的人") == ["赌博"]
    assert found("我写c++程序") == ["c++"]
    assert found("他说ass是驴") == ["ass"]


def test_phrases_that_overlap_count_once() -> None:
    find = finder(["赌博", "赌博网站", "网站", "站长"])
    assert find("赌博网站长") == [(0, 5)]
    assert find("赌博，网站") == [(0, 2), (3, 5)]


@pytest.fixture
def phrases(tmp_path: Path) -> str:
    path = tmp_path / "phrases.txt"
    path.write_text("# ours\nDarn\n\n赌博\nbad   word\n", "utf-8")
    return str(path)


def test_documents_with_too_many_go(documents: Callable[..., list[Document]], phrases: str) -> None:
    texts = documents("DARN it", "darned nice", "不要赌博", "clean", "a bad word")
    cleaned = Blocklist(phrases=phrases).build()(texts)
    assert [one.text for one in cleaned.documents] == ["darned nice", "clean"]
    assert [one.detail for one in cleaned.dropped] == [
        "1 phrases of the list ('darn'), more than 0",
        "1 phrases of the list ('赌博'), more than 0",
        "1 phrases of the list ('bad word'), more than 0",
    ]
    assert len(Blocklist(phrases=phrases, max_count=1).build()(texts).documents) == 5


def test_bounds_may_be_shares(documents: Callable[..., list[Document]], phrases: str) -> None:
    clean = Blocklist(phrases=phrases, max_count=None, max_share=0.1).build()
    cleaned = clean(documents("darn " + "word " * 50, "darn it"))
    assert len(cleaned.documents) == 1
    assert cleaned.dropped[0].detail == "57.14% of it in phrases of the list, more than 10.00%"
    with pytest.raises(ValidationError, match="max_count or max_share"):
        Blocklist(phrases=phrases, max_count=None)


def test_bad_lists_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Blocklist(phrases=str(tmp_path / "none.txt")).build()
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(UserError, match="is empty"):
        Blocklist(phrases=str(tmp_path / "empty.txt")).build()
    (tmp_path / "one.txt").write_text("x\n")
    monkeypatch.setitem(sys.modules, "ahocorasick", None)
    with pytest.raises(UserError, match=r"acclimate\[text\]"):
        Blocklist(phrases=str(tmp_path / "one.txt")).build()


def test_identity_is_the_content_of_the_list(phrases: str) -> None:
    assert Blocklist(phrases=phrases).fingerprint(lambda path: f"digest of {path.name}") == {
        "phrases": "digest of phrases.txt"
    }


def test_a_list_that_is_no_file_is_told_before_anything_is_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(UserError, match="expected a file with a phrase a line"):
            Blocklist(phrases=str(path)).fingerprint(lambda path: path.read_bytes().hex())
