"""Tables of a task's section that some kinds of tasks have: clusters, and what stands beside written texts."""

from __future__ import annotations

import math
from typing import Any

from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.numbers import count, decimal, number, percent

MOST = 20
"""Clusters that are shown, the largest."""
_BASELINES = {"copy": "the source as it is", "lead": "its first sentence"}
_DIVERSITY = {
    "mean_words": "words in a text",
    "distinct_1_of_all": "different words among all",
    "distinct_2_of_all": "different pairs of words among all",
}


def clusters_table(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Clusters by size, each with the classes that are commonest in it."""
    clusters = sorted(evaluation.get("clusters") or [], key=lambda one: -number(one.get("size")))
    if not clusters:
        return None
    largest = number(clusters[0].get("size"))
    rows = [
        {
            "name": str(one.get("cluster")),
            "size": count(one.get("size")),
            "bar": number(one.get("size")) / largest,
            "classes": [
                (str(label), percent(number(n) / number(one.get("size"))))
                for label, n in one.get("classes") or [(one.get("label"), one["share"] * one["size"])]
            ],
        }
        for one in clusters[:MOST]
    ]
    return {
        "rows": rows,
        "left_out": len(clusters) - len(rows),
        "purity": percent(number(evaluation.get("purity"))),
    }


def written_tables(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Of a task that writes: what answering without a model would have, how varied texts are, and which were cut."""
    baselines: dict[str, Any] = evaluation.get("baselines") or {}
    diversity: dict[str, Any] = evaluation.get("diversity") or {}
    if not diversity:
        return None
    test = evaluation.get("test") or {}
    kinds = [name for name in _BASELINES if baselines.get(name)]
    compared = [
        (metric_name(name), Estimate.of(one), [_figure(baselines[kind].get(name)) for kind in kinds])
        for name, one in test.items()
        if any(name in baselines[kind] for kind in kinds)
    ]
    varied = [
        (title, *(_figure((diversity.get(side) or {}).get(name)) for side in ("outputs", "references")))
        for name, title in _DIVERSITY.items()
    ]
    cut = {name: number(n) for name, n in (evaluation.get("cut") or {}).items() if number(n) > 0}
    return {
        "kinds": [_BASELINES[kind] for kind in kinds],
        "compared": compared,
        "varied": varied,
        "cut": [(name, count(n)) for name, n in cut.items()],
        "empty": count(evaluation["empty"]) if number(evaluation.get("empty")) > 0 else None,
    }


def _figure(value: Any) -> str:
    size = abs(number(value))
    return "–" if math.isnan(size) else decimal(number(value), 3 if size < 1 else 1)
