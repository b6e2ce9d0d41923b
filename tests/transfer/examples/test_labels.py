"""What a cell says of labels."""

from __future__ import annotations

import json


def test_labels_that_are_a_json_object_are_no_names(build):
    rows = [{"a": 1, "b": 0}, ["a"], ["b"], "{a}|b", ["a", "b"], []]
    lines = [json.dumps({"text": f"text {n}", "label": one}) + "\n" for n, one in enumerate(rows)]
    statistics, _ = build(
        {"train.jsonl": "".join(lines), "test.jsonl": json.dumps({"text": "t", "label": ["a"]})},
        train="train.jsonl",
        test="test.jsonl",
        multi_label=True,
        separator="|",
        near=None,
    )
    assert statistics["read"] == statistics["kept"] + 1 == 7
    assert statistics["sources"]["train"] == {"read": 6, "kept": 5, "dropped": {"malformed_label": 1}}
    assert statistics["class_counts"]["train"].keys() == {"a", "b", "{a}"}
