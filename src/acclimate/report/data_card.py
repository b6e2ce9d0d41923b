"""What the models learnt from: sources, what was dropped and why, sizes, languages, splits, tokens."""

from __future__ import annotations

import math
from typing import Any

from acclimate.report.choices import distance_tables, mix_table, selection_words
from acclimate.report.corrections import changed_rows, contamination, repeated_passages
from acclimate.report.gather import RunRecord
from acclimate.report.numbers import compact, count, decimal, number, percent, size

SPLITS = ("train", "validation", "test")
MOST_LANGUAGES = 12
SAMPLES = 3
"""Dropped records shown per reason."""


def data_card(run: RunRecord) -> dict[str, Any] | None:
    """The card's parts; None when the run had no corpus."""
    corpus = run.corpus
    if not corpus:
        return None
    read, kept = number(corpus.get("read")), number(corpus.get("kept"))
    dropped = {str(reason): number(n) for reason, n in (corpus.get("dropped") or {}).items()}
    gone = sum(dropped.values())
    steps = corpus.get("steps") or {}
    parts = [("kept", kept, "kept"), *((reason, n, "gone") for reason, n in _largest(dropped))]
    return {
        "tiles": _tiles(run, read, kept, gone),
        "dropped": [
            {
                "name": name,
                "count": count(n),
                "share": percent(_ratio(n, read)),
                "bar": _ratio(n, read),
                "kind": kind,
            }
            for name, n, kind in parts
        ],
        "changed": changed_rows(corpus),
        "contamination": contamination(corpus.get("contamination")),
        "repeated": repeated_passages(steps.get("substrings")),
        "splits": _splits(run),
        "languages": _languages(corpus.get("languages") or {}),
        "languages_sampled": count(corpus["languages_sampled"]) if corpus.get("languages_sampled") else None,
        "sources": _sources(corpus.get("sources") or []),
        "selection": selection_words(steps.get("select")),
        "mix": mix_table(steps.get("mix")),
        "distances": distance_tables(steps.get("distances")),
        "has_tokens": bool(token_counts(run)),
        "tokenizer": run.tokenizer,
        "samples": _samples(run.dropped, dropped),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole and math.isfinite(part) else 0.0


def _largest(counts: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _total(splits: dict[str, Any], key: str) -> float:
    return sum(number(one.get(key)) for one in splits.values() if isinstance(one, dict))


def _tiles(run: RunRecord, read: float, kept: float, gone: float) -> list[tuple[str, str, str]]:
    splits = (run.corpus or {}).get("splits") or {}
    tiles = [("documents read", compact(read), f"{count(read)} in all")]
    tiles.append(("kept", compact(kept), percent(_ratio(kept, read))))
    tiles.append(("dropped", compact(gone), percent(_ratio(gone, read))))
    for name, key in (("text", "bytes"), ("characters", "characters")):
        total = _total(splits, key)
        if total > 0:
            tiles.append(
                (name, size(total) if key == "bytes" else compact(total), "UTF-8" if key == "bytes" else "")
            )
    tokens = sum(one["tokens"] for one in token_counts(run).values())
    if tokens > 0:
        tiles.append(
            ("tokens", compact(tokens), f"{decimal(_total(splits, 'bytes') / tokens, 2)} bytes each")
        )
    return tiles


def token_counts(run: RunRecord) -> dict[str, dict[str, float]]:
    """Split → tokens and bytes, of the splits that were turned into tokens."""
    found = {}
    for split, one in (run.tokens or {}).items():
        if isinstance(one, dict) and number(one.get("tokens")) > 0:
            found[split] = {key: number(one.get(key)) for key in ("tokens", "bytes", "unknown")}
    return found


def _splits(run: RunRecord) -> list[dict[str, str]]:
    """One row per split; the last columns say how many characters and bytes a token stands for (fertility)."""
    splits, tokens = (run.corpus or {}).get("splits") or {}, token_counts(run)
    rows = []
    for name in [*(s for s in SPLITS if s in splits), *sorted(set(splits) - set(SPLITS))]:
        one, counted = splits[name], tokens.get(name, {}).get("tokens", math.nan)
        rows.append(
            {
                "name": name,
                "documents": count(one.get("documents")),
                "characters": count(one.get("characters")),
                "bytes": size(one.get("bytes")),
                "tokens": count(counted),
                "characters_per_token": decimal(number(one.get("characters")) / counted, 2),
                "bytes_per_token": decimal(number(one.get("bytes")) / counted, 2),
                "unknown": percent(tokens.get(name, {}).get("unknown", math.nan) / counted),
            }
        )
    return rows


def _languages(counts: dict[str, Any]) -> list[dict[str, Any]]:
    ranked = _largest({str(code): number(n) for code, n in counts.items()})
    shown, rest = ranked[:MOST_LANGUAGES], ranked[MOST_LANGUAGES:]
    if rest:
        shown.append((f"{len(rest)} more", sum(n for _, n in rest)))
    total = sum(n for _, n in ranked)
    return [
        {"name": code, "count": count(n), "share": percent(_ratio(n, total)), "bar": _ratio(n, total)}
        for code, n in shown
    ]


def _sources(sources: list[Any]) -> dict[str, Any] | None:
    """A table of whatever plain values the sources' records have; counts by reason are added up."""
    records = [
        {key: _summed(value) for key, value in one.items()} for one in sources if isinstance(one, dict)
    ]
    names = list(dict.fromkeys(key for one in records for key in one))
    names = [
        name
        for name in names
        if any(not isinstance(one.get(name), (dict, list, type(None))) for one in records)
    ]
    if not names:
        return None
    rows = [[_plain(one.get(name)) for name in names] for one in records]
    numeric = [all(isinstance(one.get(name, 0), (int, float)) for one in records) for name in names]
    return {"columns": [name.replace("_", " ") for name in names], "rows": rows, "numeric": numeric}


def _summed(value: Any) -> Any:
    if isinstance(value, dict) and all(math.isfinite(number(n)) for n in value.values()):
        return round(sum(number(n) for n in value.values()))
    return value


def _plain(value: Any) -> str:
    if value is None or isinstance(value, (dict, list)):
        return "–"
    return count(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _samples(records: list[dict[str, Any]], dropped: dict[str, float]) -> list[dict[str, Any]]:
    """A few dropped records for each reason, the most frequent reason first."""
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_reason.setdefault(str(record.get("reason")), []).append(record)
    order = sorted(by_reason, key=lambda reason: (-dropped.get(reason, 0.0), reason))
    return [
        {
            "reason": reason,
            "total": count(dropped.get(reason, len(by_reason[reason]))),
            "records": [
                {"place": str(one.get("place") or ""), "detail": str(one.get("detail") or "")}
                for one in by_reason[reason][:SAMPLES]
            ],
        }
        for reason in order
    ]
