"""The page of `acclimate tokenizer compare`: one HTML file that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from acclimate.report.build import environment
from acclimate.report.numbers import compact, count, decimal, legible, number, percent, size
from acclimate.report.plots import Whisker, interval_chart
from acclimate.report.verdict import drawing

_PLOTS = (
    ("bytes_per_token", "Bytes per token", 2, "more text in each token"),
    ("tokens_per_word", "Tokens per word", 2, "fewer pieces of a word"),
    ("renyi_efficiency", "Rényi efficiency", 3, "tokens used more evenly"),
)
_RATES = ("coverage", "unknown_rate", "byte_rate", "whole_words", "crossing_rate", "vocabulary_use")
_MOST = 40
"""Domains or languages that a table shows, the first ones."""


@dataclass(frozen=True)
class Shade:
    """A cell of the table of groups."""

    text: str
    share: float
    """How dark: 0 for the least of its row, 1 for the most."""


def tokenizer_page(found: Mapping[str, Any]) -> str:
    """The page of a comparison, as `compare` returns it. The same comparison gives the same bytes."""
    tokenizers = found["tokenizers"]
    everything = tokenizers[0]["all"]
    shown = {
        "names": [one["name"] for one in tokenizers],
        "tiles": [
            ("Tokenizers", count(len(tokenizers)), ""),
            ("Text", size(everything["bytes"]), f"{count(everything['texts'])} documents"),
            (
                "Words",
                compact(everything["words"]),
                "Chinese by jieba" if found["chinese_words"] else "Chinese: characters",
            ),
            (
                "Domains",
                count(len(tokenizers[0]["domains"])),
                f"{count(len(tokenizers[0]['languages']))} languages",
            ),
        ],
        "plots": [
            {"plot": plot, "title": title, "remark": remark}
            for name, title, places, remark in _PLOTS
            if (plot := drawing(partial(_plot, tokenizers, name, title, places), 330))
        ],
        "rows": [_row(one) for one in tokenizers],
        "groups": [
            group
            for kind, title in (("domains", "By domain"), ("languages", "By language"))
            if (group := _groups(tokenizers, kind, title))
        ],
        "dropped": sorted(found.get("dropped", {}).items()),
        "order": f"{found['renyi_order']:g}",
    }
    return legible(environment().get_template("tokenizers.html").render(shown))


def _plot(tokenizers: list[Any], name: str, title: str, places: int, width: int) -> Any:
    """A dot for all texts; whiskers from the domain with the least to that with the most."""
    rows = []
    for one in tokenizers:
        value = number(one["all"][name])
        domains = [number(group[name]) for group in one["domains"].values() if group[name] is not None]
        low, high = (min(domains), max(domains)) if len(domains) > 1 else (float("nan"), float("nan"))
        rows.append(Whisker(one["name"], value, low, high, decimal(value, places)))
    return interval_chart(rows, title=title, width=width, zero=True)


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    measured = one["all"]
    quantiles = measured["length_quantiles"]
    return {
        "name": one["name"],
        "algorithm": one["algorithm"],
        "vocabulary": count(one["vocabulary"]),
        "tokens": count(measured["tokens"]),
        "per_word": decimal(measured["tokens_per_word"], 2),
        "per_character": decimal(measured["tokens_per_character"]),
        "bytes": decimal(measured["bytes_per_token"], 2),
        "renyi": decimal(measured["renyi_efficiency"]),
        "lengths": [count(quantiles[key]) for key in ("0.5", "0.99", "1")],
        "speed": decimal(one["megabytes_per_second"], 1),
        **{name: percent(measured[name]) for name in _RATES},
    }


def _groups(tokenizers: list[Any], kind: str, title: str) -> dict[str, Any] | None:
    """Tokens per character of each group and tokenizer, darker where a text takes more of them than elsewhere."""
    names = list(tokenizers[0][kind])
    if len(names) < 2:
        return None
    rows = []
    for name in names[:_MOST]:
        values = [number(one[kind][name]["tokens_per_character"]) for one in tokenizers]
        low, high = np.nanmin([*values, np.inf]), np.nanmax([*values, -np.inf])
        spread = high - low
        shares = [(value - low) / spread if spread > 0 and np.isfinite(value) else 0.0 for value in values]
        cells = [Shade(decimal(value), float(share)) for value, share in zip(values, shares, strict=True)]
        rows.append({"name": name, "size": size(tokenizers[0][kind][name]["bytes"]), "cells": cells})
    return {"title": title, "rows": rows, "left_out": len(names) - len(rows)}
