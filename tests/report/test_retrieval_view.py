from __future__ import annotations

from typing import Any

import pytest

from acclimate.report.retrieval_view import retrieval_table

FOUND = {
    "captions": 254,
    "items": 127,
    "text_to_image": {"recall@1": {"value": 0.125, "low": 0.1, "high": 0.15, "chance": 0.0079}},
    "image_to_text": {"recall@5": {"value": 0.25, "low": 0.2, "high": 0.3, "chance": 0.04}},
}


def test_rows_say_who_finds_what_beside_chance() -> None:
    found = retrieval_table({"retrieval": FOUND})
    assert found is not None and (found["captions"], found["items"]) == (254, 127)
    (way, k, recall, chance), (_, other, _, _) = found["rows"]
    assert (way, k, other) == ("a caption finds its picture", "1", "5")
    assert (recall.value, recall.low, chance) == (0.125, 0.1, "0.008")


@pytest.mark.parametrize("figures", [None, {}, {"retrieval": None}, {"retrieval": {"text_to_image": {}}}])
def test_nothing_retrieved_no_table(figures: dict[str, Any] | None) -> None:
    assert retrieval_table(figures) is None
