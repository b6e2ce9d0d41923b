"""Guessing what a file of texts or labelled examples holds, for a recipe to start from. The user corrects it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from acclimate.errors import UserError

_LOOK_AT = 500
_LABELS = ("label", "labels", "class", "category", "target", "topic", "sentiment", "标签", "类别", "分类")
_TEXTS = ("text", "sentence", "content", "body", "abstract", "review", "title", "文本", "正文", "内容")
_LONG_LINE = 20
"""Characters; text whose lines are longer on average, and many, is taken to have a document a line."""


@dataclass(frozen=True)
class Guess:
    """What a file seems to hold."""

    reader: dict[str, Any] = field(default_factory=dict)
    """Settings of the files reader besides path and text."""
    text: str | int | None = None
    """The column of the text; None for plain text."""
    label: str | int | None = None
    labels: tuple[str, ...] = ()
    """The label's values that were seen, sorted."""


def guess_text(path: Path) -> Guess:
    """How text to learn from is to be read. Raises UserError for what cannot be read."""
    format = _format(path)
    if format == "text":
        lines = [row["text"] for row in _rows(path, {"documents": "line"})]
        long = len(lines) >= _LOOK_AT // 10 and sum(map(len, lines)) >= _LONG_LINE * len(lines)
        return Guess({"documents": "line"} if long else {})
    reader, rows, columns = _table(path, format)
    return Guess(reader, text=_widest(columns, rows, None))


def guess_task(path: Path) -> Guess:
    """Which columns of labelled examples hold text and label. Raises UserError where none looks like a label."""
    format = _format(path)
    reader, rows, columns = _table(path, "tsv" if format == "text" else format)
    if format == "text":
        reader["format"] = "tsv"
    label = _label(columns, rows)
    if label is None or len(columns) < 2:
        raise UserError(
            f"{path}: expected a column of text and one of labels, found the columns {', '.join(map(str, columns))};"
            " write the task into the recipe by hand"
        )
    text = _widest(columns, rows, label)
    return Guess(reader, text, label, tuple(sorted({_cell(row, label) for row in rows})))


def _format(path: Path) -> str:
    from acclimate.corpus.file_list import find_files

    return find_files(str(path))[0].format


def _rows(path: Path, settings: dict[str, Any]) -> list[dict[str, str]]:
    from acclimate.corpus.document import Record
    from acclimate.corpus.files import Files

    def good() -> Iterator[dict[str, str]]:
        for record in Files.model_validate({"path": str(path), **settings}).build().records():
            if isinstance(record, Record):
                yield record.fields

    rows = list(islice(good(), _LOOK_AT))
    if not rows:
        raise UserError(f"{path}: nothing in it can be read")
    return rows


def _table(path: Path, format: str) -> tuple[dict[str, Any], list[dict[str, str]], list[str | int]]:
    """(settings of the reader, rows, columns): columns have numbers where the file does not name them."""
    settings: dict[str, Any] = {"format": format}
    rows = _rows(path, settings)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if format not in ("csv", "tsv") or _is_header(names, rows):
        return {}, rows, list(names)
    rows = _rows(path, {**settings, "header": False, "text": 0})
    return {"header": False}, rows, list(range(len(rows[0])))


def _is_header(names: Sequence[str], rows: Sequence[dict[str, str]]) -> bool:
    """A first row names columns if it says so in known words, or if none of its cells comes again below it."""
    if any(name.strip().lower() in (*_LABELS, *_TEXTS) for name in names):
        return True
    again = any(row.get(name) == name for name in names for row in rows)
    return (
        not again
        and all(name and len(name) <= 30 and not name.strip().isdigit() for name in names)
        and len(rows) > 1
    )


def _cell(row: dict[str, str], column: str | int) -> str:
    return list(row.values())[column] if isinstance(column, int) else row.get(column, "")


def _label(columns: Sequence[str | int], rows: Sequence[dict[str, str]]) -> str | int | None:
    """A column named so; else the one of fewest different, short values, each of which comes again."""
    for name in columns:
        if isinstance(name, str) and name.strip().lower() in _LABELS:
            return name
    best: tuple[int, str | int] | None = None
    for column in columns:
        values = [_cell(row, column) for row in rows]
        different = len(set(values))
        if different < 2 or different > max(len(rows) // 2, 2) or max(map(len, values)) > 60:
            continue
        if best is None or different < best[0]:
            best = (different, column)
    return best[1] if best else None


def _widest(columns: Sequence[str | int], rows: Sequence[dict[str, str]], but: str | int | None) -> str | int:
    """The column of the longest values."""
    others = [column for column in columns if column != but]
    return max(others, key=lambda column: sum(len(_cell(row, column)) for row in rows))
