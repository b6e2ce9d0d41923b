"""The tables of docs/log/what-helps.md, from the folders of studies: `python benchmarks/what_helps.py STUDY...`.

A row for each variant: of each measure the paired difference to the base with its 95 % interval, in bold where it holds
after Holm's correction for all variants; then what its trainings took beside the base's, in time and peak memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("give the folders of studies, such as runs/what-helps-study")
    for folder in sys.argv[1:]:
        print(
            "\n".join(table(json.loads(Path(folder, "study.json").read_text(encoding="utf-8")))), end="\n\n"
        )


def table(found: Mapping[str, Any]) -> list[str]:
    rows = found["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row["differences"]))
    base = {
        name: next(row["differences"][name]["base"] for row in rows if name in row["differences"])
        for name in names
    }
    heads = [f"{name} (base {base[name]:.3f})" for name in names]
    lines = [f"| variant | {' | '.join(heads)} | time | memory |", "| --- " * (len(names) + 3) + "|"]
    for row in rows:
        cells = [_cell(row["differences"].get(name)) for name in names]
        costs = ["–" if row[key] is None else f"{row[key]:.2f}" for key in ("time_ratio", "memory_ratio")]
        seeds = "" if row["runs"] == len(found["seeds"]) else f" ({row['runs']} seeds)"
        lines.append(f"| {row['variant']}{seeds} | {' | '.join(cells + costs)} |")
    return lines


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "–"
    if one["finding"] == "the same":
        return "="
    if one["low"] is None:
        return f"{one['difference']:+.3f}"
    text = f"{one['difference']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"
    if one["corrected"] is not None and one["corrected"] < 0.05:
        return f"**{text}**"
    return text if one["finding"] == "no effect shown" else f"{text} {one['finding']}"


if __name__ == "__main__":
    main()
