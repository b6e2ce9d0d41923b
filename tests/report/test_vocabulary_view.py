"""The section on an adapted vocabulary: both sides and their difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from acclimate.report.gather import LogBuilder, RunRecord, Training
from acclimate.report.vocabulary_view import vocabulary_view


def side(vocabulary: int, tokens: int, bits: float) -> dict[str, Any]:
    return {
        "vocabulary": vocabulary,
        "parameters": vocabulary * 10,
        "tokens": tokens,
        "tokens_per_word": tokens / 100,
        "tokens_per_document": tokens / 10,
        "flops_per_byte": 1000.0,
        "figures": {"bits_per_byte": {"value": bits, "low": bits - 0.1, "high": bits + 0.1}},
    }


def record(metrics: dict[str, Any]) -> RunRecord:
    nothing = LogBuilder(()).log()
    bare = RunRecord(Path("r"), "", {}, {}, None, [], None, None, None, Training(nothing, nothing), [])
    return replace(bare, metrics=metrics)


def test_rows_and_changes() -> None:
    gain = {
        "before": side(1000, 200, 2.5), "after": side(1100, 150, 2.25), "statement": "s", "note": None,
        "examples": ["糖尿病"],
    }  # fmt: skip
    view = vocabulary_view(record({"vocabulary": gain}))
    assert view is not None
    assert view["rows"][0] == ("vocabulary", "1,000", "1,100", "+10\u202f%")
    assert view["rows"][2][1:] == ("200", "150", "−25\u202f%")
    assert view["rows"][5][3] == "0\u202f%"
    assert [one.value for one in view["bits"]] == [2.5, 2.25]
    assert view["examples"] == ["糖尿病"]


def test_without_adaptation_there_is_no_section() -> None:
    assert vocabulary_view(record({})) is None
