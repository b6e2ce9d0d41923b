"""What adapting the vocabulary gained before anything was trained."""

from __future__ import annotations

from typing import Any

from acclimate.report.estimates import Estimate
from acclimate.report.gather import RunRecord
from acclimate.report.numbers import count, decimal, number, percent


def vocabulary_view(run: RunRecord) -> dict[str, Any] | None:
    """The page's section; None where the vocabulary was not adapted."""
    gain = run.metrics.get("vocabulary")
    if not gain:
        return None
    before, after = gain["before"], gain["after"]

    def row(name: str, shown: Any, key: str) -> tuple[str, str, str, str]:
        change = number(after[key]) / number(before[key]) - 1 if number(before[key]) else 0.0
        sign = "+" if change > 0 else "−" if change < 0 else ""
        return name, shown(before[key]), shown(after[key]), sign + percent(abs(change))

    bits = [Estimate.of(side["figures"]["bits_per_byte"]) for side in (before, after)]
    return {
        "statement": gain["statement"],
        "note": gain.get("note"),
        "rows": [
            row("vocabulary", count, "vocabulary"),
            row("parameters", count, "parameters"),
            row("tokens of the held-out text", count, "tokens"),
            row("tokens per word", lambda value: decimal(value, 2), "tokens_per_word"),
            row("tokens per document", lambda value: decimal(value, 1), "tokens_per_document"),
            row("arithmetic per byte of text", lambda value: count(round(number(value))), "flops_per_byte"),
        ],
        "bits": bits,
        "examples": gain["examples"],
    }
