"""Questions with spans, free answers and choices: SQuAD's JSON, DuReader, DuoRC, MCTest, C3, DREAM."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "path", "passages", "questions", "astray"),
    [
        ("cmrc", "cmrc2018/cmrc2018_dev.json.zst", 848, 3_219, 3),
        ("cmrc", "cmrc2018/cmrc2018_trial.json.gz", 256, 1_002, 5),
        ("squad", "covidqa", 98, 1_380, 234),
    ],
)
def test_squad_json(
    name: str, path: str, passages: int, questions: int, astray: int, shared: Any, read_all: Any
) -> None:
    found = read_all(name, shared / path)
    assert (len(found.documents), len(found.records)) == (passages, questions) and not found.dropped
    # First answers that do not stand at their offsets; CMRC has three answers a question, and more of the others stray.
    wrong = [
        not fields["context"].startswith(answers[0]["text"], answers[0]["start"])
        for fields, answers in zip(found.fields, found.parsed("answers"), strict=True)
    ]
    assert sum(wrong) == astray <= found.count("aligned")["false"]
    assert len({one.text for one in found.documents}) == passages


def squad(*paragraphs: Any) -> Any:
    return {"version": "v2.0", "data": [{"title": "T", "paragraphs": list(paragraphs)}]}


GOOD = {
    "context": "天上有太阳。",
    "qas": [
        {"id": 1, "question": "有什么？", "answers": [{"text": "太阳", "answer_start": 3}]},
        {
            "id": "2",
            "question": "月亮？",
            "answers": [],
            "is_impossible": True,
            "plausible_answers": [{"text": "x"}],
        },
        {"id": "3", "question": "?", "answers": [{"text": "太阳", "answer_start": 0}]},
    ],
}


def test_fields_of_a_question(put: Any, read_all: Any) -> None:
    path = put("train.json", squad(GOOD, {"context": "No question.", "qas": []}))
    found = read_all("squad", path)
    assert [one.text for one in found.documents] == ["天上有太阳。", "No question."]
    assert [one.place for one in found.documents] == [
        f"{path}:data[0].paragraphs[{number}]" for number in (0, 1)
    ]
    assert found.fields[0] == {
        "title": "T",
        "context": "天上有太阳。",
        "question": "有什么？",
        "answers": '[{"text":"太阳","start":3}]',
        "id": "1",
        "impossible": "false",
        "aligned": "true",
    }
    assert (
        found.fields[1]["impossible"] == "true" and found.fields[1]["plausible_answers"] == '[{"text":"x"}]'
    )
    assert [fields["aligned"] for fields in found.fields] == ["true", "true", "false"]


def test_the_first_form_of_cmrc(put: Any, read_all: Any) -> None:
    passage = {
        "context_id": "TRAIN_186",
        "context_text": "范廷颂是越南罗马天主教枢机。",
        "title": "范廷颂",
        "qas": [{"query_id": "Q0", "query_text": "是什么？", "answers": ["枢机", "不在"]}],
    }
    found = read_all("cmrc", put("cmrc2018_train.json", [passage]))
    assert found.documents[0].fields == {"title": "范廷颂", "passage": "TRAIN_186"}
    assert found.fields[0]["answers"] == '[{"text":"枢机","start":11},{"text":"不在","start":-1}]'
    assert found.fields[0]["aligned"] == "false" and found.fields[0]["id"] == "Q0"


def test_a_broken_passage_is_dropped_and_another_shape_refused(put: Any, read_all: Any, refused: Any) -> None:
    broken = {"context": "x", "qas": [{"id": 1}]}
    path = put("a.json", json.dumps(squad(GOOD, broken, {"context": 7}, {"context": "\ud800"})))
    found = read_all("drcd", path)
    assert len(found.documents) == 1 and found.dropped == {"wrong_shape": 2, "invalid_encoding": 1}
    assert f"{path}:data[0].paragraphs[1]: expected SQuAD JSON" in found.details[0]
    assert "found '{\"id\": 1}'" in found.details[0]
    path = put("b.json", '{"a": 1}\n{"a": 2}\n')
    assert refused("squad", path).startswith(f'{path}:2: expected SQuAD JSON, as {{"data"')
    path = put("c.json", "[" * 100_000)
    assert "nested too deep" in refused("squad", path)
    path = put("d.json", '{\n "data": [\n  {"title": oops}\n ]\n}')
    assert refused("squad", path).endswith("""found '  {"title": oops}'""")


def test_truncated_json(put: Any, reader: Any) -> None:
    path = put("a.json.gz", gzip.compress(json.dumps(squad(GOOD)).encode())[:-30])
    items = list(reader("squad", path).read())
    assert [one.reason for one in items] == ["truncated"]


def test_dureader(put: Any, read_all: Any, refused: Any) -> None:
    row = {
        "question_id": 186358,
        "question_type": "YES_NO",
        "question": "上海迪士尼可以带吃的进去吗",
        "documents": [
            {
                "title": "上海迪士尼",
                "paragraphs": ["完全密封的可以。", "其它不可以。"],
                "is_selected": True,
                "bs_rank_pos": 1,
            },
            {"title": "", "paragraphs": ["无关"], "is_selected": False},
        ],
        "answers": ["完全密封的可以，其它不可以。"],
        "yesno_answers": ["Depends"],
        "segmented_question": ["上海"],
    }
    path = put("zhidao.train.json", json.dumps(row, ensure_ascii=False) + "\n{}\n\n")
    found = read_all("dureader", path)
    assert [one.text for one in found.documents] == ["上海迪士尼\n完全密封的可以。\n其它不可以。", "无关"]
    assert [one.fields["is_selected"] for one in found.documents] == ["true", "false"]
    assert found.dropped == {"wrong_shape": 1, "empty": 1}
    (fields,) = found.fields
    assert (
        fields["yesno_answers"] == '["Depends"]'
        and fields["id"] == "186358"
        and "segmented_question" not in fields
    )
    assert json.loads(fields["documents"])[0]["paragraphs"] == ["完全密封的可以。", "其它不可以。"]
    # The robust edition is SQuAD's JSON, in one line or several.
    for indent in (None, 2):
        robust = read_all("dureader", put("robust/train.json", json.dumps(squad(GOOD), indent=indent)))
        assert len(robust.records) == 3
    assert 'expected an object a line, as {"question_id"' in refused("dureader", put("x.json", "[1, 2]\n"))


def test_duorc(put: Any, read_all: Any, refused: Any) -> None:
    film = {
        "id": "/m/03vyhn",
        "title": "Ghosts of Mars",
        "plot": "200 years in the future, Mars has been colonized.",
        "qa": [
            {"id": "q1", "question": "Where?", "answers": ["Mars"], "no_answer": False},
            {"id": "q2", "question": "Who?", "answers": [], "no_answer": True},
        ],
    }
    path = put("SelfRC_train.json", [film, {"title": "no plot"}])
    found = read_all("duorc", path)
    assert [one.text for one in found.documents] == [film["plot"]] and found.dropped == {"wrong_shape": 1}
    assert found.count("impossible") == {"false": 1, "true": 1} and found.parsed("answers") == [["Mars"], []]
    assert "expected a list of {" in refused("duorc", put("x.json", {"data": []}))


def test_mctest(shared: Any, read_all: Any) -> None:
    sizes = {"mc160": {"train": 70, "dev": 30, "test": 60}, "mc500": {"train": 300, "dev": 50, "test": 150}}
    for name, parts in sizes.items():
        for part, stories in parts.items():
            found = read_all("mctest", shared / "mctest" / f"{name}.{part}.tsv.gz")
            assert (len(found.documents), len(found.records)) == (stories, 4 * stories)
            assert set(found.count("label")) == set("0123") and set(found.count("kind")) == {
                "one",
                "multiple",
            }
            for fields, choices in zip(found.fields, found.parsed("choices"), strict=True):
                assert choices[int(fields["label"])] == fields["answer"] and len(choices) == 4
                assert "\\newline" not in fields["context"]


def test_mctest_without_answers_and_with_broken_ones(put: Any, read_all: Any, refused: Any) -> None:
    story = "\t".join(["id.0", "Author: 1", "Once\\newlineupon.", *["one: What?", "a", "b", "c", "d"] * 4])
    path = put("mc160.dev.tsv", f"{story}\n{story}\nshort\tline\n")
    found = read_all("mctest", path)
    assert found.documents[0].text == "Once\nupon." and found.count("label") == {"": 8}
    assert found.dropped == {"wrong_shape": 1}
    put("mc160.dev.ans", "A\tB\tC\tD\nA\tB\tX\tD\nA\tA\tA\tA\n")
    found = read_all("mctest", path)
    assert found.count("answer") == {"a": 1, "b": 1, "c": 1, "d": 1} and found.dropped == {"wrong_shape": 2}
    assert f"{path.with_suffix('.ans')}:2: expected four letters A to D" in found.details[0]
    said = refused("mctest", put("mc500.dev.tsv", "title\ttext\n"))
    assert said.endswith(
        "expected 23 columns by tabs: id, properties, story, then 4 times a question and its 4 choices, "
        "found 'title\\ttext'"
    )


@pytest.mark.parametrize(
    ("name", "part", "questions", "passages"),
    [
        ("c3", "train", 6_013, 3_138),
        ("c3", "validation", 1_991, 1_046),
        ("c3", "test", 2_002, 1_045),
        ("dream", "train", 6_116, 3_869),
        ("dream", "validation", 2_040, 1_288),
        ("dream", "test", 2_041, 1_287),
    ],
)
def test_c3_and_dream(
    name: str, part: str, questions: int, passages: int, shared: Any, read_all: Any
) -> None:
    found = read_all(name, shared / name, part=part)
    assert (len(found.records), len(found.documents)) == (questions, passages) and not found.dropped
    for fields, choices in zip(found.fields, found.parsed("choices"), strict=True):
        assert choices[int(fields["label"])] == fields["answer"]


def test_a_c3_question_without_its_answer(put: Any, read_all: Any, refused: Any) -> None:
    items = [
        [["甲：", "乙："], [{"question": "谁？", "choice": ["a", "b"]}], "1"],
        [["x"], [{"choice": []}], "2"],
        5,
    ]
    found = read_all("c3", put("d-test.json", items))
    assert found.documents[0].text == "甲：\n乙：" and found.fields[0]["label"] == ""
    assert found.dropped == {"wrong_shape": 2}
    assert 'expected a list of [["passage"' in refused("c3", put("x.json", {"data": []}))


def test_pubmedqa(put: Any, read_all: Any, refused: Any, shared: Any) -> None:
    papers = {
        "1": {"QUESTION": "Does it?", "CONTEXTS": ["a", "b"], "LONG_ANSWER": "c", "final_decision": "yes"},
        "2": {"QUESTION": "Is it?", "CONTEXTS": ["d"]},
        "3": {"QUESTION": "Broken?"},
    }
    found = read_all("pubmedqa", put("x.json", papers))
    assert [one.text for one in found.documents] == ["a\nb\nc", "d"]
    assert found.fields[0] == {
        "question": "Does it?",
        "context": "a\nb",
        "label": "yes",
        "answer": "c",
        "id": "1",
    }
    assert found.fields[1]["label"] == "" and len(found.dropped) == 1
    assert "expected an object of {" in refused("pubmedqa", put("y.json", []))
    real = read_all("pubmedqa", shared / "pubmedqa")
    assert real.count("label") == {"yes": 552, "no": 338, "maybe": 110}
