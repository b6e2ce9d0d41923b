"""What was changed in documents that stayed: cleaners' repairs, repeated passages, and what was found of held-out
texts."""

from __future__ import annotations

from typing import Any

from acclimate.report.numbers import count, number, percent

EXAMPLES = 3
"""Cut documents that are named."""


def changed_rows(corpus: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each kind of change: how many documents, and their share of what was read."""
    read = number(corpus.get("read"))
    found = {str(name): number(n) for name, n in (corpus.get("changed") or {}).items()}
    return [
        {"name": name, "count": count(n), "share": percent(n / read if read else 0.0)}
        for name, n in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]


def contamination(said: Any) -> dict[str, Any] | None:
    """What was found of held-out texts, a row for each set of them; None where none were looked for."""
    if not isinstance(said, dict):
        return None
    sets = [one for one in said.get("sets") or [] if isinstance(one, dict)]
    rows = [
        {
            "name": " ".join(str(one[key]) for key in ("task", "split") if one.get(key)),
            "texts": count(one.get("texts")),
            "found": count(one.get("found")),
            "share": percent(number(one.get("found")) / number(one["texts"]) if one.get("texts") else 0.0),
        }
        for one in sets
    ]
    dropped = {str(name): number(n) for name, n in (said.get("dropped") or {}).items()}
    return {"rows": rows, "dropped": count(sum(dropped.values())), "cut": count(said.get("cut"))}


def repeated_passages(said: Any) -> dict[str, Any] | None:
    """What repeated substrings cost, with a few examples; None where they were not looked for, or none was cut."""
    if not isinstance(said, dict) or not said.get("documents_cut"):
        return None
    examples = [one for one in said.get("examples") or [] if isinstance(one, dict)]
    return {
        "documents": count(said["documents_cut"]),
        "characters": count(said.get("characters_cut")),
        "examples": [
            {
                "place": str(one.get("place")),
                "detail": f"{count(one.get('words_cut'))} words that also stand in {one.get('also_in')}",
            }
            for one in examples[:EXAMPLES]
        ],
    }
