"""The closing table of a run: what pretraining did to the text, and what it did for the tasks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = tuple[str, str, str, str]
Figure = Mapping[str, Any]


def summary(metrics: Mapping[str, Any], file: TextIO) -> None:
    """Print the table, the verdicts, the report's path, and the command that serves the model."""
    console = Console(file=file, highlight=False, soft_wrap=True)
    rows = [*_language_rows(metrics), *_task_rows(metrics)]
    if rows:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_lines=False)
        table.add_column(f"{metrics.get('name', 'run')}\nvalue, interval", no_wrap=True)
        for heading in ("without domain\npretraining", "with domain\npretraining", "difference"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
        # No column is cut on a narrow terminal: a figure without its last digits would be a wrong figure.
        needed = console.measure(table, options=console.options.update(width=1000)).maximum
        Console(file=file, highlight=False, width=max(console.width, needed)).print(table)
    for name, task in metrics.get("tasks", {}).items():
        statement = (task.get("verdict") or {}).get("statement")
        if statement:
            console.print(f"[bold]{escape(name)}[/]: {escape(statement)}")
    if metrics.get("vocabulary"):
        console.print(f"Vocabulary: {escape(metrics['vocabulary']['statement'])}.")
    if metrics.get("report"):
        console.print(f"Report: {escape(str(metrics['report']))}")
    if metrics.get("run"):
        console.print(f"Serve:  acclimate serve {escape(shlex.quote(str(metrics['run'])))}")


def _language_rows(metrics: Mapping[str, Any]) -> Iterator[Row]:
    """Figures of the domain's held-out text: what they were before pretraining stands under `without`."""
    intervals = (metrics.get("pretrain") or {}).get("intervals") or {}
    before, after = intervals.get("before") or {}, intervals.get("validation") or {}
    paired = intervals.get("change") or {}
    adapted = metrics.get("vocabulary")
    if adapted:
        # The checkpoint as it was, not with new rows that nothing has trained; tokens of both are of another length.
        before = {"bits_per_byte": adapted["before"]["figures"]["bits_per_byte"]}
    headings = {"bits_per_byte": "bits per byte", "perplexity": "perplexity"}
    if after and not headings.keys() & after.keys():
        headings = {"loss": "loss, held-out data"}
    for key, heading in headings.items():
        if key in after:
            old, new = before.get(key), after[key]
            change = signed(new["value"] - old["value"]) if old else ""
            if key in paired and not adapted:
                change += f"\n[{signed(paired[key]['low'])}, {signed(paired[key]['high'])}]"
            yield heading, _cell(old) if old else "", _cell(new), change
    for name, told in ((metrics.get("pretrain") or {}).get("texts") or {}).items():
        old, new, change = (told[key] for key in ("before", "after", "change"))
        ends = f"{signed(change['value'])}\n[{signed(change['low'])}, {signed(change['high'])}]"
        yield f"bits per byte,\n{name}", _cell(old["bits_per_byte"]), _cell(new["bits_per_byte"]), ends
    translation = (metrics.get("pretrain") or {}).get("translation") or {}
    for key, heading in (("bleu", "BLEU, test"), ("chrf", "chrF, test")):
        if key in translation:
            yield heading, "", _cell(translation[key]), ""


def _task_rows(metrics: Mapping[str, Any]) -> Iterator[Row]:
    for name, task in metrics.get("tasks", {}).items():
        verdict = task.get("verdict")
        if verdict is None:
            for metric, figure in task["test"].items():
                yield f"{name}: {title(metric)}", "", _cell(figure), ""
            continue
        metric = verdict["metric"]
        without = (task.get("baseline_test") or {}).get(metric) or {"value": verdict["without"]}
        with_ = task["test"].get(metric) or {"value": verdict["with"]}
        seeds = f"({verdict['seeds']} seed{'s' if verdict['seeds'] != 1 else ''})"
        change = f"{signed(verdict['difference'])}\n[{signed(verdict['low'])}, {signed(verdict['high'])}]"
        yield f"{name}: {title(metric)}\n{seeds}", _cell(without), _cell(with_), change


def title(metric: str) -> str:
    """`macro_f1` as people write it."""
    return metric.replace("_", "-").replace("-f1", "-F1").replace("auc", "AUC")


def number(value: float) -> str:
    """Three decimals; none for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def estimate(figure: Figure) -> str:
    """A value with its interval, on one line."""
    return _cell(figure).replace("\n", " ")


def _cell(figure: Figure) -> str:
    value = number(figure["value"])
    if figure.get("low") is None or figure.get("high") is None:
        return value
    return f"{value}\n[{number(figure['low'])}, {number(figure['high'])}]"
