"""Standard output holds one JSON object or text for people, whatever libraries print."""

from __future__ import annotations

import json
import os
import sys

import pytest

from acclimate.cli.output import brief, chatter_to_stderr, put, put_json


def test_chatter_of_any_kind_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), chatter_to_stderr():
        sys.stdout.write("from Python\n")
        sys.stdout.flush()
        os.write(1, b"from a library\n")
        os.system("echo from a child")
        raise RuntimeError
    put("ours")
    said = capfd.readouterr()
    assert said.out == "ours\n"
    assert set(said.err.split("\n")) == {"from Python", "from a library", "from a child", ""}


def test_json_has_no_nan_and_keeps_letters(capsys: pytest.CaptureFixture[str]) -> None:
    put_json({"a": float("nan"), "b": [float("inf"), 1.5, (2,)], "标签": {1: None}})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"a": None, "b": [None, 1.5, [2]], "标签": {"1": None}}
    assert "标签" in shown


def test_values_in_tables_are_short() -> None:
    assert [brief(value) for value in (0.123456, "x y", None, True, [1])] == [
        "0.1235",
        "x y",
        "null",
        "true",
        "[1]",
    ]
