"""What the first records of a source show, in English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.first_records import column_problems
from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError


def reader(path: Path, text: str) -> Any:
    path.write_text(text, "utf-8")
    return Files.model_validate({"path": str(path)}).build()


def test_columns_are_found_by_name_and_number(tmp_path: Path) -> None:
    found = reader(tmp_path / "a.tsv", "text\t标签\nthe cat\t动物\n雨\t天气\n")
    assert column_problems(found, {"text": "text", "label": "标签"}) == []
    assert column_problems(found, {"text": 0, "label": 1}) == []
    assert column_problems(found, {"text": "text", "label": "标题", "score": 2}) == [
        ("label", f"{tmp_path}/a.tsv:2: there is no column '标题' (label); choose from: text, 标签"),
        ("score", f"{tmp_path}/a.tsv:2: there is no column 2 (score); the columns are 0 to 1"),
    ]


def test_a_field_that_is_left_out_here_and_there_is_there(tmp_path: Path) -> None:
    rows = [{"text": "a"}, {"text": "b", "主题": "c"}]
    found = reader(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert column_problems(found, {"label": "主题"}) == []
    ((role, message),) = column_problems(found, {"label": "题"})
    assert role == "label" and "there is no column '题' (label)" in message


def test_a_source_of_which_nothing_can_be_read_has_no_role(tmp_path: Path) -> None:
    ((role, message),) = column_problems(reader(tmp_path / "a.jsonl", "no\njson\n"), {"label": "x"})
    assert role is None and "none of the first records can be read" in message
    with pytest.raises(UserError, match="there is no such file"):
        column_problems(Files.model_validate({"path": str(tmp_path / "none.tsv")}).build(), {"label": "x"})
