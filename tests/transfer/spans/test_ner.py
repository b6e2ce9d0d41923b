"""The task of finding spans: what is read, what tags can say, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from acclimate.errors import UserError
from acclimate.transfer.examples.preparing import build_examples, read_examples
from acclimate.transfer.spans.entity_rows import in_words, words_of
from acclimate.transfer.spans.ner import Ner
from acclimate.transfer.spans.tag_set import TagSet, WordSpan

PLAIN = [
    {"text": "John lives in Paris.", "entities": [{"start": 0, "end": 4, "label": "PER"}, [14, 19, "LOC"]]},
    {"text": "  北京 的 王明", "entities": [{"start": 2, "end": 4, "type": "LOC"}, [7, 9, "PER"]]},
    {"text": "Nothing here", "entities": []},
    {"text": "Ann met Bob in Rome", "entities": [[0, 4, "PER"], [8, 11, "PER"], [15, 19, "LOC"]]},
]
TEST = [{"text": "Mary saw Berlin", "entities": [[0, 4, "PER"], [9, 15, "LOC"]]}]


def built(folder: Path, rows: dict[str, list[Any]], **settings: Any) -> tuple[dict[str, Any], Path]:
    for name, some in rows.items():
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in some)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
        settings[name] = f"{name}.jsonl"
    task = Ner.model_validate({"hold_out": 0.3, **settings}, context={"base": folder})
    out = folder / "examples"
    out.mkdir()
    return build_examples(task, out), out


def test_spans_are_read_counted_and_kept(tmp_path: Path) -> None:
    told, folder = built(tmp_path, {"train": PLAIN * 3, "test": TEST}, near=None)
    parts = [read_examples(folder, part) for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 13 and told["dropped"] == {}
    assert told["class_counts"]["test"] == {"LOC": 1, "PER": 1}
    assert sum(told["class_counts"][part]["PER"] for part in ("train", "validation")) == 12
    assert not any(told["unsaid_spans"].values())
    found = {
        (text[start:end], label)
        for part in parts
        for text, more in zip(part.texts, part.more, strict=True)
        for start, end, label in more["entities"]
    }
    assert {("北京", "LOC"), ("王明", "PER"), ("Ann", "PER"), ("Rome", "LOC")} <= found
    assert ("Ann ", "PER") not in found


def test_spans_outside_their_text_are_dropped_and_shown(tmp_path: Path) -> None:
    outside = [
        {"text": "short", "entities": [[2, 9, "PER"]]},
        {"text": "turned", "entities": [[4, 2, "PER"]]},
        {"text": "odd", "entities": [["a", 2, "PER"]]},
        {"text": "", "entities": []},
        {"text": "unknown"},
    ]
    told, folder = built(tmp_path, {"train": PLAIN * 3 + outside, "test": TEST})
    assert told["dropped"] == {"malformed_label": 1, "no_label": 1, "no_text": 1, "span_outside_text": 2}
    assert told["read"] == told["kept"] + 5
    shown = (folder / "dropped.jsonl").read_text("utf-8")
    assert "PER from 2 to 9 of a text of 5 characters: 'short'" in shown


def test_spans_may_touch_white_space_at_the_ends_of_their_text() -> None:
    for text, span, want in (
        ("Anna 5 met Bob in Rome ", [18, 23, "X"], "Rome"),
        (" Anna 6", [0, 5, "X"], "Anna"),
        ("　北京 ", [0, 4, "X"], "北京"),
    ):
        row = _row({"text": text, "entities": [span]})
        assert [row.text[start:end] for start, end, _ in row.more["entities"]] == [want]
    gone = _row({"text": " Anna ", "entities": [[1, 7, "PER"]]})
    assert gone.reason == "span_outside_text"
    assert gone.detail == "PER from 1 to 7 of a text of 6 characters: ' Anna '"


def test_spans_of_white_space_and_those_given_twice_are_counted(tmp_path: Path) -> None:
    odd = [
        {"text": "Ann saw Eve", "entities": [[0, 3, "PER"], [3, 4, "LOC"], [8, 11, "PER"]]},
        {"text": "王明在北京", "entities": [[0, 2, "PER"], [0, 2, "PER"], [3, 5, "LOC"], [3, 5, "LOC"]]},
        {"text": "Bob in Rome", "entities": [[0, 3, "PER"], [0, 4, "PER"], [7, 11, "LOC"], [3, 4, "LOC"]]},
    ]
    told, _ = built(tmp_path, {"train": PLAIN, "validation": odd, "test": TEST}, near=None, hold_out=None)
    assert told["dropped"] == {}
    assert told["lost_spans"] == {"validation": {"given_twice": 3, "white_space": 2}}
    assert told["class_counts"]["validation"] == {"LOC": 2, "PER": 4}
    assert not any(told["unsaid_spans"].values())


@pytest.mark.parametrize("said", [{"start": [0], "end": [4], "label": ["PER"]}, {"abc": 1}, 5, "PER"])
def test_entities_that_are_no_list_are_dropped(said: Any) -> None:
    assert _row({"text": "John lives", "entities": said}).reason == "malformed_label"


def test_words_beside_a_text_may_stand_with_spaces_between() -> None:
    row = _row({"text": "a-b c", "tokens": "a-b c", "entities": [[0, 3, "X"]]})
    assert row.more["words"] == [[0, 3], [4, 5]]


def test_a_label_that_training_does_not_know_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="label 'ORG' is not among the 2 labels of the training"):
        built(tmp_path, {"train": PLAIN, "test": [{"text": "UN", "entities": [[0, 2, "ORG"]]}]})
    with pytest.raises(UserError, match="none of the 2 texts has a labelled span"):
        nothing = [{"text": word, "entities": []} for word in ("a", "b")]
        Ner.model_validate({"train": "x", "test": "y"}).names(
            [row for row in map(_row, nothing) if not hasattr(row, "reason")]  # type: ignore[arg-type]
        )


def _row(record: dict[str, Any], **settings: Any) -> Any:
    from acclimate.corpus.document import Record

    fields = {key: one if isinstance(one, str) else json.dumps(one) for key, one in record.items()}
    task = Ner.model_validate({"train": "x", "test": "y", **settings})
    return task.row(Record("x.jsonl", "x.jsonl:1", fields))


def test_words_with_tags_of_any_scheme_become_spans() -> None:
    iobes = _row(
        {"tokens": ["John", "F", "Kennedy", "in", "北", "京"], "ner": "B-P I-P E-P O B-L E-L"}, tags="ner"
    )
    assert iobes.text == "John F Kennedy in北京"
    assert [iobes.text[s:e] for s, e, _ in iobes.more["entities"]] == ["John F Kennedy", "北京"]
    assert [iobes.text[s:e] for s, e in iobes.more["words"]] == ["John", "F", "Kennedy", "in", "北", "京"]
    assert _row({"tokens": ["a"], "ner": ["B-P", "O"]}, tags="ner").reason == "malformed_label"
    assert _row({"tokens": ["a"], "ner": ["oops"]}, tags="ner").reason == "malformed_label"
    given = _row({"text": "a-b c", "tokens": ["a-b", "c"], "entities": [[0, 3, "X"]]})
    assert given.more["words"] == [[0, 3], [4, 5]]
    assert "words" not in _row({"text": "a-b c", "tokens": ["other"], "entities": []}).more
    with pytest.raises(ValidationError, match="give one of the two"):
        Ner.model_validate({"train": "x", "test": "y", "tags": "t", "entities": "e"})


def test_what_tags_cannot_say_is_counted() -> None:
    text = "iPhone6 of 李小明 in New York"
    words = words_of(text, {}, "word")
    assert [text[s:e] for s, e in words] == ["iPhone6", "of", "李", "小", "明", "in", "New", "York"]
    entities = [[0, 6, "A"], [11, 14, "B"], [11, 12, "A"], [18, 26, "A"], [22, 26, "A"]]
    flat = in_words(entities, words, TagSet(("A", "B")))
    assert flat.lost == {"inside_a_word": 1, "over_another": 2}
    nested = in_words(entities, words, TagSet(("A", "B"), nested=True))
    assert nested.lost == {"inside_a_word": 1, "over_another": 1}
    assert WordSpan("A", 2, 3) in nested.spans and WordSpan("B", 2, 5) in nested.spans
    by_character = words_of(text, {}, "character")
    assert in_words(entities, by_character, TagSet(("A", "B"), nested=True)).lost == {"over_another": 1}


def test_outcomes_are_in_characters_and_know_what_was_missed(tmp_path: Path) -> None:
    _, folder = built(tmp_path, {"train": PLAIN * 3, "test": TEST}, nested=True)
    task = Ner.model_validate({"train": "x", "test": "y", "nested": True})
    examples = read_examples(folder, "test")
    tags = np.array([[0, 1], [0, 0], [1, 0]], np.int16)  # of the chains LOC, PER
    found = task.outcomes(["LOC", "PER"], examples, {"tags": tags, "starts": np.array([0, 3])})
    assert found.truth == found.predicted and not found.errors.any()
    tags[0] = 0
    missed = task.outcomes(["LOC", "PER"], examples, {"tags": tags, "starts": np.array([0, 3])})
    assert missed.errors.tolist() == [1]
    assert task.labels(["LOC", "PER"]).names == ("O-LOC", "B-LOC", "I-LOC", "O-PER", "B-PER", "I-PER")
