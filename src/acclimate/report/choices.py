"""What was done to choose the text: selection, mixing, and how far the domains lie apart, as tables."""

from __future__ import annotations

import math
from typing import Any

from acclimate.report.numbers import count, decimal, number, percent

_MEASURES = (
    (
        "overlap",
        "Overlap of frequent words",
        "Share of the most frequent words (10,000 at most, the hundred commonest of all aside) that are frequent in "
        "both. The diagonal compares two halves of one text.",
        True,
    ),
    (
        "jensen_shannon",
        "Jensen–Shannon divergence",
        "Of the words' frequencies, in bits: 0 is the same, 1 has nothing in common. The diagonal compares two halves "
        "of one text: what chance alone makes.",
        False,
    ),
    (
        "proxy_a",
        "Proxy A-distance",
        "How well a linear classifier tells the two apart: 0 not at all, 2 without an error.",
        False,
    ),
    (
        "cross_entropy",
        "Difference of cross-entropies",
        "Bits a word that text of the column costs more under a model of the row than under one of its own.",
        False,
    ),
)


def distance_tables(said: Any) -> list[dict[str, Any]]:
    """A table for each measure: labels, and rows of cells with a text and a shade in [0, 1], dark where near."""
    if not isinstance(said, dict):
        return []
    labels = [f"{one.get('name')} ({one.get('kind')})" for one in said.get("groups") or []]
    if len(labels) < 2:
        return []
    tables = []
    for key, title, note, is_share in _MEASURES:
        matrix = [[number(cell) for cell in row] for row in said.get(key) or []]
        if len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix):
            continue
        found = [cell for row in matrix for cell in row if math.isfinite(cell)]
        low, high = min(found, default=0.0), max(found, default=0.0)
        rows = []
        for at, row in enumerate(matrix):
            cells = [
                {
                    "text": (percent(cell) if is_share else decimal(cell, 2)) if math.isfinite(cell) else "",
                    "shade": _near(cell, low, high, is_share),
                    "own": at == column,
                    "column": labels[column],
                }
                for column, cell in enumerate(row)
            ]
            rows.append({"label": labels[at], "cells": cells})
        tables.append({"title": title, "note": note, "labels": labels, "rows": rows})
    return tables


def _near(value: float, low: float, high: float, is_share: bool) -> float:
    """1 for the nearest of a matrix, 0 for the farthest."""
    if not math.isfinite(value) or high == low:
        return 0.0
    place = (value - low) / (high - low)
    return place if is_share else 1 - place


def mix_table(said: Any) -> dict[str, Any] | None:
    """What mixing made of each source."""
    if not isinstance(said, dict) or not said.get("sources"):
        return None
    given = sum(number(one.get("given")) for one in said["sources"]) or 1.0
    return {
        "unit": str(said.get("unit")),
        "rows": [
            {
                "name": str(one.get("source")),
                "available": count(one.get("available")),
                "given": count(one.get("given")),
                "repeated": count(one.get("repeated")),
                "share": percent(number(one.get("given")) / given),
                "bar": number(one.get("given")) / given,
            }
            for one in said["sources"]
        ],
    }


def selection_words(said: Any) -> str | None:
    """One sentence on what was selected."""
    if not isinstance(said, dict) or "selected" not in said:
        return None
    share = percent(number(said["selected"]) / max(1.0, number(said.get("documents"))))
    return f"{said.get('method')} kept {count(said['selected'])} of {count(said.get('documents'))} documents ({share})."
