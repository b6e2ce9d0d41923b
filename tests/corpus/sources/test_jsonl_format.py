from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.document import Dropped
from acclimate.corpus.sources.files import Files

Sort = Callable[[Iterable[Any]], tuple[list[Any], Counter[str]]]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_kind_of_value_becomes_a_string(tmp_path: Path, sorted_out: Sort) -> None:
    line = (
        '{"text": "好", "n": 3, "x": 1.5, "yes": true, "none": null, "list": ["中", 1], "deep": {"a": [1]}}'
    )
    kept, _ = sorted_out(Files(path=str(write(tmp_path / "a.jsonl", line))).build().records())
    assert kept[0].fields == {
        "text": "好",
        "n": "3",
        "x": "1.5",
        "yes": "true",
        "none": "",
        "list": '["中", 1]',
        "deep": '{"a": [1]}',
    }


def test_bad_lines_are_counted_by_reason(tmp_path: Path, sorted_out: Sort) -> None:
    path = write(
        tmp_path / "a.jsonl",
        '{"text": "good"}',
        '{"text": "cut off',
        "[1, 2]",
        "null",
        "[" * 100_000,
        '{"text": ""}',
        '{"text": " \\n"}',
        '{"body": "elsewhere"}',
        '{"text": null}',
        "",
        '{"text": "half \\ud83d"}',
        '{"text": "nul \\u0000"}',
        '{"text": "whole \\ud83d\\ude00"}',
        '{"text": ' + "9" * 5000 + "}",
    )
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [one.text for one in kept] == ["good", "whole 😀"]
    expected = {"malformed_json": 5, "no_text": 4, "empty": 1, "invalid_encoding": 1, "nul_bytes": 1}
    assert dropped == expected


def test_records_may_differ_in_their_fields(tmp_path: Path, sorted_out: Sort) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1}', '{"text": "x", "id": 2}')
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [(one.text, one.fields) for one in kept] == [("x", {"id": "2"})] and dropped == {"no_text": 1}
    kept, dropped = sorted_out(Files(path=str(path)).build().records())
    assert [one.fields for one in kept] == [{"id": "1"}, {"text": "x", "id": "2"}] and not dropped


def test_a_value_that_is_no_text_is_dropped_and_said_what_it_is(tmp_path: Path, sorted_out: Sort) -> None:
    path = write(
        tmp_path / "a.jsonl",
        '{"text": NaN}',
        '{"text": -Infinity}',
        '{"text": ["中"]}',
        '{"text": {"a": 1}}',
        '{"text": 3.5}',
        '{"text": "[x]"}',
    )
    items = list(Files(path=str(path)).build().read())
    kept, dropped = sorted_out(items)
    assert [one.text for one in kept] == ["3.5", "[x]"] and dropped == {"no_text": 4}
    details = [one.detail for one in items if isinstance(one, Dropped)]
    assert details == [f"'text' is {kind}, not text" for kind in ("NaN", "-Infinity", "a list", "an object")]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_file_may_hold_one_list(
    tmp_path: Path, sorted_out: Sort, indent: int | None, encoding: str
) -> None:
    value = [{"text": "一\n二", "n": 1}, ["x"], {"text": "three"}, {"text": "half \ud83d"}]
    path = tmp_path / "a.json"
    path.write_bytes(("\n" + json.dumps(value, indent=indent) + "\n").encode(encoding))
    reader = Files(path=str(path)).build()
    assert reader.check() == []
    kept, dropped = sorted_out(reader.read())
    assert [(one.text, one.fields, one.place) for one in kept] == [
        ("一\n二", {"n": "1"}, f"{path}:1"),
        ("three", {}, f"{path}:3"),
    ]
    assert dropped == {"malformed_json": 1, "invalid_encoding": 1}
    assert reader.bytes_done == reader.bytes_total()


@pytest.mark.parametrize("tail", ['{"text": "cut o', "", "nonsense]", '{"text": "c"}] {"text": "d"}'])
def test_a_broken_list_keeps_what_stands_before_the_break(
    tmp_path: Path, sorted_out: Sort, tail: str
) -> None:
    path = write(tmp_path / "a.json", '[{"text": "a"},', '{"text": "b"},', tail)
    kept, dropped = sorted_out(Files(path=str(path)).build().read())
    assert [one.text for one in kept][:2] == ["a", "b"] and dropped == {"malformed_json": 1}


def test_empty_lists_and_json_lines_in_a_json_file(tmp_path: Path, sorted_out: Sort) -> None:
    assert sorted_out(Files(path=str(write(tmp_path / "a.json", "[ ]"))).build().read()) == ([], {"empty": 1})
    kept, _ = sorted_out(
        Files(path=str(write(tmp_path / "b.json", "", '{"text": "a"}', '{"text": "b"}'))).build().read()
    )
    assert [one.text for one in kept] == ["a", "b"]
