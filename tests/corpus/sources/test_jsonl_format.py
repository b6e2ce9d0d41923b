from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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
