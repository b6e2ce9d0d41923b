"""`acclimate study RECIPE`: what the variants of a recipe bring, paired by seed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from acclimate.cli.options import JsonOption, OutputOption, SetOption
from acclimate.errors import UserError


def study(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a `study:` section.")],
    overrides: Annotated[list[str] | None, SetOption] = None,
    output: Annotated[Path, OutputOption] = Path("runs"),
    json: Annotated[bool, JsonOption] = False,
) -> None:
    """Run a recipe and variants of it with several seeds; say what each variant brings and costs.

    Each is an ordinary run, and equal stages are made once. A study that was stopped goes on where it was.
    """
    from acclimate.cli.boundary import say
    from acclimate.cli.output import put_json
    from acclimate.search.study import run_study

    found = run_study(recipe, overrides or [], output=output, tell=lambda text: say(f"study: {text}"))
    if json:
        put_json(found)
    _summary(found, sys.stderr if json else sys.stdout)
    if found["failed"]:
        number = len(found["failed"])
        more = f" ({number} runs failed; the others are done)" if number > 1 else ""
        raise UserError(f"{found['failed'][0]}{more}. The same study command goes on from there")


def _summary(found: Mapping[str, Any], file: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(file=file, highlight=False)
    names = list(dict.fromkeys(name for row in found["rows"] for name in row["differences"]))
    for name in names:
        table = Table(
            "variant", "value", "difference", "95 % interval", "finding", "p, corrected", "time", title=name
        )
        for row in found["rows"]:
            one = row["differences"].get(name)
            if one is None:
                continue
            interval = "–" if one["low"] is None else f"{one['low']:+.4f} to {one['high']:+.4f}"
            times = "–" if row["time_ratio"] is None else f"{row['time_ratio']:.2f}×"
            table.add_row(
                row["variant"],
                f"{one['value']:.4f}",
                f"{one['difference']:+.4f}",
                interval,
                one["finding"],
                "–" if one["corrected"] is None else f"{one['corrected']:.3f}",
                times,
            )
        console.print(table)
    if found["missing"]:
        failed = f", {len(found['failed'])} of them for they failed" if found["failed"] else ""
        console.print(f"{len(found['missing'])} runs are missing{failed}.")
    console.print(f"Report: {found['report']}", soft_wrap=True)
