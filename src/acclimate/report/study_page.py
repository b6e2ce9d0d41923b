"""The page of a study: what each variant brought, one HTML file that needs nothing beside itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from acclimate.report.build import environment
from acclimate.report.estimates import metric_name
from acclimate.report.numbers import count, decimal, duration, legible, number
from acclimate.report.plots import Whisker, interval_chart
from acclimate.report.verdict import drawing

_PLACES = 4


def study_page(found: Mapping[str, Any]) -> str:
    """The page of a study as `search.study` writes it. The same study gives the same bytes."""
    rows = found["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row["differences"]))
    spent = sum(number(line["elapsed"]) for line in found["runs"])
    shown = {
        "name": found["name"],
        "tiles": [
            ("Variants", count(len(rows)), "beside the recipe as it stands"),
            ("Seeds", count(len(found["seeds"])), ", ".join(map(str, found["seeds"][:8]))),
            (
                "Runs",
                count(len(found["runs"])),
                f"{count(len(found['missing']))} not run" if found["missing"] else "",
            ),
            ("Time", duration(spent), "of all runs"),
        ],
        "measures": [_measure(name, rows) for name in names],
        "costs": [
            {
                "name": row["variant"],
                "runs": count(row["runs"]),
                "time": _times(row["time_ratio"]),
                "memory": _times(row["memory_ratio"]),
            }
            for row in rows
        ],
        "missing": [f"{one['variant']}, seed {one['seed']}" for one in found["missing"]],
    }
    return legible(environment().get_template("study.html").render(shown))


def _measure(name: str, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The differences of one measure, drawn and in figures; variants that rest on the base's own run are left out."""
    what, _, metric = name.rpartition(", ")
    title = f"{what}: {metric_name(metric)}"
    every = [(row["variant"], row["differences"][name]) for row in rows if name in row["differences"]]
    own = [(variant, one) for variant, one in every if one["finding"] != "the same"]
    return {
        "same": [variant for variant, one in every if one["finding"] == "the same"],
        "title": title,
        "base": decimal(every[0][1]["base"], _PLACES),
        "plot": drawing(partial(_plot, own, title), 720),
        "rows": [
            {
                "name": variant,
                "value": decimal(one["value"], _PLACES),
                "difference": decimal(one["difference"], _PLACES, signed=True),
                "interval": _interval(one),
                "seeds": count(one["seeds"]),
                "finding": one["finding"],
                "corrected": "–" if one["corrected"] is None else decimal(one["corrected"], 3),
            }
            for variant, one in own
        ],
    }


def _interval(one: Mapping[str, Any]) -> str:
    if one["low"] is None:
        return "–"
    return f"{decimal(one['low'], _PLACES, signed=True)} to {decimal(one['high'], _PLACES, signed=True)}"


def _plot(rows: list[tuple[str, Mapping[str, Any]]], title: str, width: int) -> Any:
    whiskers = [
        Whisker(
            variant,
            number(one["difference"]),
            math.nan if one["low"] is None else one["low"],
            math.nan if one["high"] is None else one["high"],
            decimal(one["difference"], _PLACES, signed=True),
            tone="a" if one["finding"] in ("better", "worse") else "b",
        )
        for variant, one in rows
    ]
    return interval_chart(whiskers, title=f"difference to the base, {title}", width=width, reference=0.0)


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{decimal(ratio, 2)}×"
