"""The run's report: one HTML page that needs nothing beside itself, no network, no script."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from acclimate.artifacts.durable import write_text
from acclimate.report.curves import pretrain_curves
from acclimate.report.data_card import data_card
from acclimate.report.gather import RunRecord, read_run
from acclimate.report.lineage import lineage, stage_costs
from acclimate.report.model_summary import model_summary
from acclimate.report.numbers import count, decimal, language_of, legible, percent, thin_unit
from acclimate.report.task_view import task_view
from acclimate.report.verdict import headline, level
from acclimate.report.vocabulary_view import vocabulary_view

PAGE = "report.html"
_KEY = re.compile(r"^(\s*(?:- )*)([^\s:#'\"\[{][^:#]*)(:)(\s.*)?$")
_TIMESTAMP = re.compile(r"^(\d{4})-?(\d\d)-?(\d\d)[T_-]?(\d\d)-?:?(\d\d)")


def write_report(run_folder: Path, metrics: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html` into a run folder from what the folder holds, and return its path.

    `metrics` stand in for the folder's metrics.json, which a run writes last. Parts that the run did not make are left
    out. Raises UserError when the folder is no run folder or a file is broken.
    """
    folder = Path(run_folder)
    page = folder / PAGE
    run = read_run(folder)
    write_text(page, render(run if metrics is None else replace(run, metrics=dict(metrics))))
    return page


def render(run: RunRecord) -> str:
    """The page. The same record gives the same bytes."""
    shown = {
        "name": str(run.recipe.get("name") or run.folder.parent.name or run.folder.name),
        "seed": run.recipe.get("seed"),
        "started": started(run.folder.name),
        "folder": run.folder.name,
        "folder_literal": json.dumps(command_folder(run.folder), ensure_ascii=False),
        "folder_shell": shlex.quote(command_folder(run.folder)),
        "level": level(run),
        "headline": headline(run),
        "curves": pretrain_curves(run.pretrain),
        "data": data_card(run),
        "vocabulary": vocabulary_view(run),
        "tasks": [task_view(task, run) for task in run.tasks],
        "model": model_summary(run),
        "recipe": coloured_yaml(legible(run.recipe_text)),
        "lineage": lineage(run),
        "stages": stage_costs(run),
        "warnings": run.warnings,
    }
    # A page cannot hold lone surrogates or control characters, wherever in the run they came from.
    return legible(environment().get_template("page.html").render(shown))


@cache
def environment() -> Environment:
    """What renders the pages: their templates, with the filters for numbers and names."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        count=count, decimal=decimal, percent=percent, unit=thin_unit, lang=lang_attribute, anchor=anchor
    )
    return made


def lang_attribute(text: Any) -> Markup:
    """` lang="zh"` for a text in that script, else nothing."""
    code = language_of(text)
    return Markup(' lang="{}"').format(code) if code else Markup("")


def anchor(name: Any) -> str:
    """A name as part of an element's id; names of stages and tasks have no other characters anyway."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", str(name))


def started(folder_name: str) -> str | None:
    """When the run started, by its folder's name."""
    match = _TIMESTAMP.match(folder_name)
    return "{}-{}-{} {}:{}".format(*match.groups()) if match else None


def command_folder(folder: Path) -> str:
    """The folder as one would type it: relative when it is below the current one."""
    resolved = folder.resolve()
    try:
        return str(resolved.relative_to(Path.cwd()))
    except ValueError:
        return str(resolved)


def coloured_yaml(text: str) -> Markup:
    """The recipe with keys and comments told apart; nothing in it is taken for markup."""
    out = []
    for line in text.splitlines():
        match = _KEY.match(line)
        if line.lstrip().startswith("#"):
            out.append(Markup('<span class="comment">{}</span>').format(line))
        elif match:
            indent, key, colon, rest = match.groups()
            out.append(Markup('{}<span class="key">{}</span>{}{}').format(indent, key, colon, rest or ""))
        else:
            out.append(escape(line))
    return Markup("\n").join(out)
