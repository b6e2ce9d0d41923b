"""Rows of sources with targets: several of them, lists, and texts that are parted."""

from __future__ import annotations

from typing import Any

import pytest

from acclimate.corpus.document import Dropped, Record
from acclimate.transfer.examples.rows import Row
from acclimate.transfer.writing.written_rows import halved, target_statistics, written_row


def record(**fields: str) -> Record:
    return Record("a.jsonl", "a.jsonl:1", fields)


def row(*targets: str, **fields: str) -> Any:
    return written_row(record(**fields), text="text", targets=targets or ("target",))


def test_a_source_and_its_target() -> None:
    found = row(text="He go.", target=" He goes. ")
    assert isinstance(found, Row) and found.text == "He go." and found.more == {"targets": ["He goes."]}
    assert found.key == row(text="he  GO.", target="other").key  # a source held out is not learnt from
    assert found.pair is None and found.labels == ()


def test_several_targets_by_columns_and_lists() -> None:
    found = row("summary", "summary1", "summary2", text="x", summary1="一", summary2='["二", "三", "一"]')
    assert found.more == {"targets": ["一", "二", "三", "一"]}  # one that is given twice counts twice
    sentences = row(text='["A first one.", "And more."]', target="[1] is no list of texts")
    assert sentences.text == "A first one. And more." and sentences.more == {
        "targets": ["[1] is no list of texts"]
    }
    assert row(text='["今天。", "明天。"]', target="[broken").text == "今天。明天。"


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"text": " ", "target": "a"}, "no_text", "'text' is empty"),
        ({"text": "a", "target": ""}, "no_target", "'target' is empty"),
        ({"text": "a", "traget": "b"}, "no_target", "did you mean 'traget'"),
        ({"text": "a", "target": "[]"}, None, ""),
    ],
)
def test_what_is_missing_is_told(fields: dict[str, str], reason: str | None, words: str) -> None:
    found = row(**fields)
    if reason is None:
        assert isinstance(found, Row)
    else:
        assert isinstance(found, Dropped) and found.reason == reason and words in found.detail


def test_texts_are_parted_where_a_word_ends() -> None:
    found: Any = halved(record(text="The weather was wonderful"), text="text", given=0.2)
    assert (found.text, found.more["targets"]) == ("The weather", ["was wonderful"])
    chinese: Any = halved(record(text="今天天气非常好"), text="text", given=0.5)
    assert (chinese.text, chinese.more["targets"]) == ("今天天气", ["非常好"])
    assert found.key == ("the weather", "was wonderful")
    short = halved(record(text="word"), text="text", given=0.5)
    assert isinstance(short, Dropped) and short.reason == "too_short"


def test_statistics() -> None:
    rows = [row(text="a", target="bcd"), row(text="b", target='["x", "yz"]')]
    expected = {"targets": 3, "most_of_a_source": 2, "mean_characters": 2.0, "max_characters": 3}
    assert target_statistics(rows) == expected and target_statistics([]) == {"targets": 0}
