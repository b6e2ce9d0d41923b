from __future__ import annotations

from typing import Any

import pytest

from acclimate.report.tokenizer_page import tokenizer_page
from acclimate.tokenizer.compare.comparing import Text, compare
from acclimate.tokenizer.compare.subjects import subject
from acclimate.tokenizer.training import Train


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("made")
    texts = ["some words of text, some more words", "我们喜欢猫，我们喜欢狗"]
    Train(algorithm="bpe", vocab_size=300).build(texts=iter([texts * 3]), folder=folder)
    subjects = [subject(folder, "<b>first</b>"), subject(folder, "second")]
    return compare(subjects, [Text("a & b", "en", texts[0]), Text("法律", "zh", texts[1])])


def test_the_page_shows_every_tokenizer_and_group(found: dict[str, Any]) -> None:
    page = tokenizer_page(found)
    assert page == tokenizer_page(found)
    assert "&lt;b&gt;first&lt;/b&gt;" in page and "<b>first</b>" not in page
    assert "a &amp; b" in page and '<th lang="zh">法律</th>' in page
    assert page.count("<svg") == 6 and "<script" not in page
    assert "By domain" in page and "By language" in page


def test_groups_need_more_than_one(found: dict[str, Any]) -> None:
    for one in found["tokenizers"]:
        assert len(one["domains"]) == 2
    single = {**found, "dropped": {"too_long": 3}}
    single["tokenizers"] = [
        {**one, "domains": {"a": one["all"]}, "languages": {"en": one["all"]}} for one in found["tokenizers"]
    ]
    page = tokenizer_page(single)
    assert "By domain" not in page and "3 too_long" in page
