"""Telling what became of the records that a stage read; of broken ones out loud, or half a file passes for a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from acclimate.pipeline.stage import Work

BROKEN = (
    "bomb",
    "box_outside",
    "box_reversed",
    "broken_link",
    "content_encoding",
    "corrupt",
    "crashed",
    "cut_off",
    "encrypted",
    "invalid_encoding",
    "malformed_choices",
    "malformed_csv",
    "malformed_http",
    "malformed_json",
    "malformed_label",
    "malformed_warc",
    "missing_column",
    "no_answer",
    "no_image",
    "no_mark",
    "no_number",
    "no_score",
    "no_target",
    "not_an_image",
    "nul_bytes",
    "one_sided",
    "out_of_memory",
    "ragged",
    "span_outside_text",
    "timed_out",
    "too_long",
    "truncated",
    "unaligned",
    "unpaired",
    "unreadable",
    "vanished",
    "wrong_spans",
    "wrong_tags",
)
"""Reasons to drop a record that lie in the file, not in what the recipe wants."""


def account(work: Work, statistics: Mapping[str, Any]) -> None:
    """The stage's `read`, `kept` and `dropped` by reason as an event, and a warning where records are broken; and what
    else the statistics warn of.

    The stage's folder holds dropped.jsonl with samples.
    """
    work.emit("accounting", **{key: statistics[key] for key in ("read", "kept", "dropped")})
    for message in statistics.get("warnings", ()):
        work.emit("warning", message=message)
    broken = {reason: number for reason, number in statistics["dropped"].items() if reason in BROKEN}
    if not broken:
        return
    counts = ", ".join(f"{reason} {number}" for reason, number in broken.items())
    samples = map(json.loads, (work.folder / "dropped.jsonl").read_text("utf-8").splitlines())
    first = next((one for one in samples if one["reason"] in broken), None)
    where = f"; the first: {first['place']}: {first['reason']}: {first['detail']}" if first else ""
    total = f"{sum(broken.values()):,} of {statistics['read']:,} records could not be used"
    work.emit("warning", message=f"{total}: {counts}{where}")
