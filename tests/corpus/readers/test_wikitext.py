from __future__ import annotations

from typing import Any

import pytest

from acclimate.corpus.readers.wikitext import detokenised

WIKITEXT = {
    "train": (2_088_628, 36_718, 600),
    "validation": (217_646, 3_760, 60),
    "test": (245_569, 4_358, 60),
}
PTB = {"train": (929_589, 42_068), "validation": (73_760, 3_370), "test": (82_430, 3_761)}
"""Tokens with line ends, lines, articles: as published."""


@pytest.mark.parametrize("part", WIKITEXT)
def test_wikitext_2_has_the_published_counts(part: str, shared: Any, read_all: Any) -> None:
    found = read_all("wikitext", shared / "wikitext-2", part=part)
    texts = [one.text for one in found.documents]
    lines = "\n".join(texts).split("\n")
    assert (sum(len(line.split()) + 1 for line in lines), len(lines), len(texts)) == WIKITEXT[part]
    if part == "train":
        assert len({word for line in lines for word in line.split()} | {"</s>"}) == 33_278
    assert not found.dropped


def test_documents_of_wikitext_are_the_file_again(shared: Any, read_all: Any) -> None:
    import gzip

    path = shared / "wikitext-2" / "wiki.test.txt.gz"
    found = read_all("wikitext", path)
    assert (
        "\n".join(one.text for one in found.documents) + "\n" == gzip.decompress(path.read_bytes()).decode()
    )
    assert found.documents[0].fields == {"title": "Robert <unk>"}
    assert found.documents[1].place == f"{path}:33"


def test_lines_of_wikitext(shared: Any, read_all: Any) -> None:
    found = read_all("wikitext", shared / "wikitext-2", part="test", documents="line")
    assert (len(found.documents), found.dropped) == (2_891, {"empty": 1_467})


def test_a_line_like_a_title_begins_no_article_within_one(put: Any, read_all: Any) -> None:
    text = " \n = A = \n \n = B = \n text \n = D = \n \n = = C = = \n \n = 蒙古 = \n \n 文 \n"
    found = read_all("wikitext", put("wiki.test.tokens", text))
    assert [one.fields["title"] for one in found.documents] == ["A", "蒙古"]


def test_detokenised_text(put: Any, read_all: Any) -> None:
    path = put(
        "wiki.test.tokens",
        ' \n = A @-@ B = \n \n = = Car = = \n 1 @,@ 000 ( or 2 @.@ 5 ) of " them " , is n\'t it ? \n',
    )
    found = read_all("wikitext", path, detokenise=True)
    assert found.documents[0].text == 'A-B\nCar\n1,000 (or 2.5) of "them", isn\'t it?'
    assert detokenised(" she 's Bob 's ; fine . ") == "she's Bob's; fine."


@pytest.mark.parametrize("part", PTB)
def test_ptb_has_the_published_counts(part: str, shared: Any, read_all: Any) -> None:
    found = read_all("ptb", shared / "ptb", part=part)
    words = [one.text.split() for one in found.documents]
    assert (sum(map(len, words)) + len(words), len(words)) == PTB[part]
    if part == "train":
        assert len({word for line in words for word in line} | {"</s>"}) == 10_000
    whole = read_all("ptb", shared / "ptb", part=part, documents="file")
    assert [one.text.count("\n") + 1 for one in whole.documents] == [PTB[part][1]]


def test_other_text_is_no_wikitext_and_no_ptb(put: Any, refused: Any) -> None:
    path = put("wiki.train.txt", "Once upon a time " + 100 * "x" + "\nthere was\n")
    said = refused("wikitext", path)
    assert said.startswith(
        f"{path}:1: expected an article that begins with a line ` = Title = `, found 'Once upon"
    )
    assert len(said) < len(str(path)) + 160 and said.endswith("…'")
    assert refused("ptb", put("ptb.train.txt", "The Upper Case\n")).endswith("found 'The Upper Case'")


def test_parts_are_told_by_names(shared: Any, reader: Any) -> None:
    (said,) = reader("ptb", shared / "ptb" / "ptb.test.txt.gz", part="test").check()
    assert "part: has no effect unless `path` is the corpus' folder" in said
    assert len(list(reader("ptb", shared / "ptb", part="all").read())) == sum(
        lines for _, lines in PTB.values()
    )
    assert len(list(reader("ptb", shared / "ptb").read())) == PTB["train"][1]


def test_the_name_of_a_file_counts_before_its_folders(put: Any, read_all: Any, tmp_path: Any) -> None:
    put("training/ptb.dev.txt", "dev\n")
    put("test/ptb.a.txt", "test\n")
    put("x/ptb.train.txt", "train\n")
    for part, word in (("train", "train"), ("validation", "dev"), ("test", "test")):
        assert [one.text for one in read_all("ptb", tmp_path, part=part).documents] == [word]


def test_a_missing_part_is_told(put: Any, reader: Any, tmp_path: Any) -> None:
    put("wiki.test.tokens", " \n = A = \n \n")
    (said,) = reader("wikitext", tmp_path).check()
    assert "no part 'train'; it holds test" in said
    put("wiki.train.gz", "")
    (said,) = reader("ptb", tmp_path).check()
    assert "expected files called ptb.*.txt, found wiki.test.tokens, wiki.train.gz" in said
