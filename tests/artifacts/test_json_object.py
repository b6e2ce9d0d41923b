"""A JSON object from outside: read, or refused with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from acclimate.artifacts.json_object import read_object
from acclimate.errors import UserError


def test_an_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"名": [1, 2]}', "utf-8")
    assert read_object(tmp_path / "a.json") == {"名": [1, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a.json: cannot be read: No such file"),
        (b'{"a": ', "a.json: not valid JSON"),
        (b"\xff\xfe", "a.json: not valid JSON"),
        (b"[1]", "a.json: expected a JSON object"),
        (b"[" * 100_000, "a.json: not valid JSON"),
    ],
)
def test_anything_else_is_told(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_object(tmp_path / "a.json")
