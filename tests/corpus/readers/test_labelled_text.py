"""THUCNews, STS, and entities as spans in JSON lines."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest


def test_thucnews_titles_with_numbers(shared: Any, read_all: Any) -> None:
    for part in ("validation", "test"):
        found = read_all("thucnews", shared / "thucnews" / "subset_a", part=part)
        assert len(found.documents) == 10_000 and not found.dropped
        assert set(found.count("label").values()) == {1_000} and len(found.count("label")) == 10
    assert found.fields[0] == {"text": "词汇阅读是关键 08年考研暑期英语复习全指南", "label": "education"}


def test_thucnews_titles_with_names(shared: Any, read_all: Any) -> None:
    found = read_all("thucnews", shared / "thucnews" / "subset_b", part="validation")
    assert len(found.documents) == 19_991 and not found.dropped
    found = read_all("thucnews", shared / "thucnews" / "subset_b", part="test")
    assert len(found.documents) == 19_999 and found.dropped == {"wrong_shape": 1}
    assert len(found.count("label")) == 10 and "家居" in found.count("label")
    assert "test.txt.zst:6: expected `topic<TAB>text` or" in found.details[0]


def test_thucnews_as_published(put: Any, read_all: Any, tmp_path: Any) -> None:
    put("THUCNews/体育/0.txt", "马晓旭意外受伤\n\n　　新浪体育讯 10月16日。\n　　第二段。\n")
    put("THUCNews/股票/1.txt.gz", gzip.compress("大盘\n　　涨。\n".encode()))
    put("THUCNews/股票/2.txt", "\n")
    found = read_all("thucnews", tmp_path / "THUCNews")
    assert [one.text for one in found.documents] == [
        "马晓旭意外受伤\n新浪体育讯 10月16日。\n第二段。",
        "大盘\n涨。",
    ]
    assert found.documents[0].fields == {"label": "体育", "title": "马晓旭意外受伤"}
    assert found.dropped == {"empty": 1}


def test_other_lines_are_no_thucnews(put: Any, refused: Any, read_all: Any) -> None:
    path = put("train.txt", "只有标题\n")
    assert refused("thucnews", path).endswith("found '只有标题'")
    put("class.txt", "a\nb\n")
    found = read_all("thucnews", put("dev.txt", "标题\t1\n标题\t2\n\n"))
    assert found.fields == [{"text": "标题", "label": "b"}] and found.dropped == {
        "wrong_shape": 1,
        "empty": 1,
    }


@pytest.mark.parametrize(("part", "rows"), [("train", 5_749), ("dev", 1_500), ("test", 1_379)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_stsb(language: str, part: str, rows: int, shared: Any, read_all: Any) -> None:
    found = read_all("sts", shared / "stsb" / f"stsb-{language}-{part}.csv.gz")
    assert (len(found.records), len(found.documents)) == (rows, 2 * rows) and not found.dropped
    assert all(0 <= float(fields["score"]) <= 5 for fields in found.fields)


def test_other_forms_of_sts(put: Any, read_all: Any, refused: Any) -> None:
    line = 'main-captions\tMSRvid\t2012test\t0001\t5.000\tA plane "is.\tAn air plane.'
    found = read_all("sts", put("sts-train.csv", f"{line}\n{line}\tlicence\tx\nshort\tline\n"))
    assert [fields["text"] for fields in found.fields] == ['A plane "is.'] * 2 and found.fields[0][
        "genre"
    ] == "main-captions"
    assert found.dropped == {"wrong_shape": 1}
    found = read_all("sts", put("cnsd-sts-train.txt", "0||一个||两个||3\n1||一||二||7\n"))
    assert found.fields == [{"text": "一个", "pair": "两个", "score": "3", "number": "0"}]
    assert found.dropped == {"wrong_shape": 1}
    path = put("sts-x.csv", "sentence1,sentence2\na,b\n")
    assert "with a score from 0 to 5, found 'sentence1,sentence2'" in refused("sts", path)


@pytest.mark.parametrize(
    ("part", "rows", "entities"), [("train", 10_748, 23_338), ("validation", 1_343, 2_982)]
)
def test_cluener(part: str, rows: int, entities: int, shared: Any, read_all: Any) -> None:
    found = read_all("cluener", shared / "cluener", part=part)
    assert len(found.records) == len(found.documents) == rows and not found.dropped
    labels = Counter(one["label"] for each in found.parsed("entities") for one in each)
    assert sum(labels.values()) == entities and len(labels) == 10
    for fields, each in zip(found.fields, found.parsed("entities"), strict=True):
        assert all(fields["text"][one["start"] : one["end"]] == one["text"] for one in each)


TEXT = "浙商银行企业信贷部叶老桂博士"
EXPECTED = [
    {"label": "company", "start": 0, "end": 4, "text": "浙商银行"},
    {"label": "name", "start": 9, "end": 12, "text": "叶老桂"},
]


@pytest.mark.parametrize(
    ("entities", "settings"),
    [
        ({"label": {"name": {"叶老桂": [[9, 11]]}, "company": {"浙商银行": [[0, 3]]}}}, {}),
        ({"label": [[9, 12, "name"], [0, 4, "company"]]}, {}),
        ({"label": [[9, 11, "name"], [0, 3, "company"]]}, {"end": "inclusive"}),
        (
            {
                "entities": [
                    {"start": 0, "end": 4, "label": "company"},
                    {"start": 9, "end": 12, "label": "name"},
                ]
            },
            {},
        ),
        (
            {
                "entities": [
                    {"start_offset": 0, "end_offset": 4, "type": "company"},
                    {"start_idx": 9, "end_idx": 11, "type": "name", "entity": "叶老桂"},
                ]
            },
            {},
        ),
        (
            {
                "entity_list": [
                    {"entity_type": "company", "entity": "浙商银行", "entity_index": {"begin": 0, "end": 4}},
                    {"entity_type": "name", "entity": "叶老桂", "entity_index": {"begin": 9, "end": 12}},
                ]
            },
            {},
        ),
    ],
)
def test_spellings_of_spans(entities: Any, settings: Any, put: Any, read_all: Any) -> None:
    found = read_all("span_ner", put("train.json", {"text": TEXT, **entities, "id": 3}), **settings)
    assert found.parsed("entities") == [EXPECTED]
    assert found.documents[0].text == TEXT and found.documents[0].fields == {"id": "3"}


def test_spans_astray_and_other_shapes(put: Any, read_all: Any, refused: Any) -> None:
    rows = [
        {"text": TEXT, "entities": []},
        {"text": TEXT, "label": {"name": {"叶老桂": [[8, 10]]}}},
        {"text": TEXT, "label": [[9, 99, "name"]]},
        {"text": TEXT, "label": [[4, 4, "name"]]},
        {"text": TEXT, "label": [["x", 4, "name"]]},
        {"text": TEXT, "label": "name"},
        {"id": 5, "text": "test without labels"},
    ]
    found = read_all("span_ner", put("dev.json", "\n".join(map(json.dumps, rows))))
    assert found.parsed("entities") == [[], []] and found.dropped == {"wrong_spans": 3, "wrong_shape": 2}
    assert "expected a span of the text '浙商银行企业信贷部叶老桂博士', found" in found.details[0]
    path = put("x.json", "浙 B-company\n商 I-company\n")
    assert refused("cluener", path).startswith(f"{path}:1: expected an object a line, as")
