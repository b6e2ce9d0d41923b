"""What is said of records that a stage left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acclimate.engine.interrupt import StopRequest
from acclimate.pipeline.accounting import BROKEN, account
from acclimate.pipeline.stage import Work
from acclimate.recipe.sections import Hardware

SAMPLES = [
    {"reason": "too_short", "place": "a.txt:1", "detail": "3 characters"},
    {"reason": "ragged", "place": "b.tsv:7", "detail": "1 column, 3 expected"},
]


@pytest.fixture
def said(tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def work(tmp_path: Path, said: list[tuple[str, dict[str, Any]]]) -> Work:
    (tmp_path / "dropped.jsonl").write_text("".join(json.dumps(one) + "\n" for one in SAMPLES), "utf-8")
    return Work(
        tmp_path, tmp_path, {}, Hardware(), lambda *told, **figures: None,
        lambda kind, **fields: said.append((kind, fields)), lambda step: None, StopRequest(),
    )  # fmt: skip


def test_wanted_drops_are_counted_in_silence(work, said) -> None:
    statistics = {"read": 10, "kept": 7, "dropped": {"too_short": 2, "exact_duplicate": 1}, "labels": 3}
    account(work, statistics)
    assert said == [("accounting", {key: statistics[key] for key in ("read", "kept", "dropped")})]


def test_broken_records_are_warned_of_with_the_first_place(work, said) -> None:
    account(work, {"read": 12_345, "kept": 1, "dropped": {"ragged": 1002, "too_short": 4, "truncated": 1}})
    assert said[1:] == [
        (
            "warning",
            {
                "message": "1,003 of 12,345 records could not be used: ragged 1002, truncated 1; "
                "the first: b.tsv:7: ragged: 1 column, 3 expected"
            },
        )
    ]


def test_what_else_the_statistics_warn_of_is_told(work, said) -> None:
    account(work, {"read": 3, "kept": 3, "dropped": {}, "warnings": ["一个答案不在原文中"]})
    assert said[1:] == [("warning", {"message": "一个答案不在原文中"})]


def test_every_reason_that_readers_give_is_known() -> None:
    """A new way to be broken has to be listed, or it would pass in silence."""
    import re

    import acclimate

    source = Path(acclimate.__file__).parent
    pattern = re.compile(r'(?:BadLine\([^,]+, |BrokenStream\(|Dropped\(\s*|reason = )"([a-z_]+)"')
    given = {
        reason
        for folder in ("corpus", "transfer")
        for path in (source / folder).rglob("*.py")
        for reason in pattern.findall(path.read_text("utf-8"))
    }
    wanted = {  # by the recipe, or by what the source is
        *(
            "empty",
            "no_text",
            "no_label",
            "unwanted_label",
            "beyond_learn_from",
            "too_short",
            "exact_duplicate",
            "in_task",
            "contaminated",
            "language",
        ),
        *(
            "blocklist",
            "boilerplate",
            "no_main_text",
            "not_a_page",
            "not_html",
            "http_status",
            "no_text_layer",
        ),
        *("link_out", "special_file", "other_type", "redirect", "title_only"),
    }
    assert {"ragged", "truncated", "nul_bytes"} <= given
    assert given - wanted - {"malformed_python"} <= set(BROKEN)
