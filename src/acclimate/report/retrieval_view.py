"""The table of retrieval: how often held-out texts and pictures find each other."""

from __future__ import annotations

from typing import Any

from acclimate.report.estimates import Estimate
from acclimate.report.numbers import decimal

WAYS = {
    "text_to_image": "a caption finds its picture",
    "image_to_text": "a picture finds a caption of its own",
}


def retrieval_table(figures: dict[str, Any] | None) -> dict[str, Any] | None:
    """Numbers of captions and items, and rows of (way, k, recall, chance); None where nothing was retrieved."""
    found = (figures or {}).get("retrieval")
    if not isinstance(found, dict):
        return None
    rows = []
    for way, words in WAYS.items():
        for name, one in (found.get(way) or {}).items():
            estimate = Estimate.of(one)
            if estimate is not None:
                rows.append((words, name.partition("@")[2], estimate, decimal(one.get("chance"), 3)))
    return {"captions": found.get("captions"), "items": found.get("items"), "rows": rows} if rows else None
