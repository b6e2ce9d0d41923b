"""What a task's models learnt from besides the given examples, and the test that nothing else looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.gather import TaskRecord
from acclimate.report.numbers import count, decimal, number

MEANS = ("average", "backward_transfer", "forgetting")


def augmentation(task: TaskRecord) -> dict[str, Any] | None:
    """How many examples each method made, and why others were left out."""
    told = task.augmented
    if not told:
        return None
    return {
        "before": count(told.get("examples")),
        "after": count(told.get("with_new")),
        "rows": [
            {
                "method": str(one.get("method")),
                "made": count(one.get("made")),
                "left_out": ", ".join(
                    f"{reason} {count(n)}" for reason, n in (one.get("left_out") or {}).items()
                ),
            }
            for one in told.get("methods") or []
        ],
    }


def independent_test(task: TaskRecord) -> dict[str, Any] | None:
    """The figures on the independent test, and when it was opened."""
    told = task.evaluation.get("independent")
    if not told:
        return None
    accounting = told.get("accounting") or {}
    dropped = {str(reason): number(n) for reason, n in (accounting.get("dropped") or {}).items()}
    figures = [(metric_name(name), Estimate.of(one)) for name, one in (told.get("test") or {}).items()]
    return {
        "examples": count(told.get("examples")),
        "opened": _minute(task.opened),
        "dropped": ", ".join(f"{reason} {count(n)}" for reason, n in dropped.items()),
        "rows": [{"name": name, "value": one} for name, one in figures if one],
    }


def kept(task: TaskRecord) -> dict[str, Any] | None:
    """What is left of earlier periods: a row each, and the means over them."""
    told = task.evaluation.get("periods")
    if not told:
        return None
    rows = [
        {
            "name": f"period {place + 1}",
            **{key: Estimate.of(one.get(key)) for key in ("learnt", "now", "change")},
        }
        for place, one in enumerate(told.get("periods") or [])
    ]
    return {
        "method": next(iter(told.get("method") or {}), ""),
        "foresees": foresees(task.evaluation),
        "metric": metric_name(str(told.get("metric"))),
        "rows": rows,
        "ahead": [
            {
                "name": f"period {place + 2}",
                "value": Estimate.of(one.get("value")),
                "loss": decimal(one.get("loss"), 3),
            }
            for place, one in enumerate(told.get("ahead") or [])
        ],
        **{key: decimal(told.get(key), 3, signed=key != "average") for key in MEANS},
    }


def foresees(evaluation: Mapping[str, Any]) -> bool:
    """Whether the delivered model answers for the period after that of the test."""
    return bool((evaluation.get("periods") or {}).get("foresees"))


def _minute(time: str | None) -> str | None:
    """`2026-11-21 03:43 UTC`"""
    return f"{time[:10]} {time[11:16]} UTC" if time else None
