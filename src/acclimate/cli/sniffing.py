"""Guessing what a file of texts or labelled examples holds, for a recipe to start from. The user corrects it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acclimate.errors import UserError

_MOST_ROWS, _MOST_CHARACTERS = 50_000, 20_000_000
"""How much is read: files are often sorted by label, so that their beginning says little."""
_KEPT = 500
"""At least this many of the rows that were read are looked at, evenly spread, where there are as many."""
_LABELS = ("label", "labels", "class", "category", "target", "topic", "sentiment", "标签", "类别", "分类")
_TEXTS = ("text", "sentence", "content", "body", "abstract", "review", "title", "文本", "正文", "内容")
_PAIRS = (
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("question", "answer"),
    ("query", "title"),
)
_LONG_LINE = 20
"""Characters; text whose lines are longer on average, and many, is taken to have a document a line."""
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_SURE = 0.8
"""Share of lines with the same number of tabs, or with a JSON object, from which plain text is taken for a table."""


@dataclass(frozen=True)
class Guess:
    """What a file seems to hold."""

    reader: dict[str, Any] = field(default_factory=dict)
    """Settings of the files reader besides path and text."""
    text: str | int | None = None
    """The column of the text; None for plain text."""
    pair: str | None = None
    """The column of a second text, by its usual names."""
    label: str | int | None = None
    labels: tuple[str, ...] = ()
    """The label's values that were seen, sorted."""
    chinese: bool = False
    """Whether much of the text is Chinese, whose words are mostly single characters to a WordPiece."""


def guess_text(path: Path) -> Guess:
    """How text to learn from is to be read. Raises UserError for what cannot be read."""
    format = _format(path)
    if format == "text":
        lines = _lines(path)
        format = _hidden_table(lines)
        if format == "text":
            long = len(lines) >= _KEPT // 10 and sum(map(len, lines)) >= _LONG_LINE * len(lines)
            return Guess({"documents": "line"} if long else {}, chinese=_chinese(lines))
    elif not _has_columns(path, format):  # pages, crawls, archives of texts
        return Guess(chinese=_chinese([row["text"] for row in _rows(path, {})]))
    reader, rows, columns = _table(path, format)
    text = _widest(columns, rows, None)
    return Guess(reader, text=text, chinese=_chinese([_cell(row, text) for row in rows]))


def guess_task(path: Path) -> Guess:
    """Which columns of labelled examples hold text and label. Raises UserError where none looks like a label."""
    format = _format(path)
    if format == "text":
        format = "jsonl" if _hidden_table(_lines(path)) == "jsonl" else "tsv"
    reader, rows, columns = _table(path, format)
    label = _label(columns, rows)
    if label is None or len(columns) < 2:
        raise UserError(
            f"{path}: expected a column of text and one of labels, found the columns {', '.join(map(str, columns))};"
            " write the task into the recipe by hand"
        )
    text = _widest(columns, rows, label)
    pair = next((names for names in _PAIRS if text in names and set(names) <= set(columns)), None)
    labels = tuple(sorted({_cell(row, label) for row in rows}))
    if pair is not None:
        return Guess(reader, pair[0], pair[1], label, labels)
    return Guess(reader, text, None, label, labels)


def _format(path: Path) -> str:
    from acclimate.corpus.sources.file_list import find_files

    formats = sorted({file.format for file in find_files(str(path))})
    if len(formats) > 1:
        raise UserError(
            f"{path}: holds files of several formats ({', '.join(formats)}); give one of them by a glob in quotes, "
            f"such as '{path}/**/*.{'txt' if 'text' in formats else formats[0]}'"
        )
    return formats[0]


def _has_columns(path: Path, format: str) -> bool:
    from acclimate.corpus.sources.formats import FORMATS

    if format in FORMATS:
        return FORMATS[format].columns != "none"
    return any(list(row) != ["text"] for row in _rows(path, {}))


def _lines(path: Path) -> list[str]:
    return [row["text"] for row in _rows(path, {"documents": "line"})]


def _hidden_table(lines: Sequence[str]) -> str:
    """What files called plain text hold: `jsonl`, `tsv`, or indeed `text`."""
    if sum(_is_object(line) for line in lines) >= _SURE * len(lines):
        return "jsonl"
    (tabs, times), *_ = Counter(line.count("\t") for line in lines).most_common(1)
    return "tsv" if tabs and times >= _SURE * len(lines) else "text"


def _is_object(line: str) -> bool:
    try:
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _rows(path: Path, settings: dict[str, Any]) -> list[dict[str, str]]:
    """Rows evenly spread over what is read. Raises UserError when there is none."""
    from acclimate.corpus.document import Record
    from acclimate.corpus.sources.files import Files

    rows: list[dict[str, str]] = []
    step, number, characters = 1, 0, 0
    for record in Files.model_validate({"path": str(path), **settings}).build().records():
        if not isinstance(record, Record):
            continue
        if number % step == 0:
            rows.append(record.fields)
            if len(rows) == 2 * _KEPT:
                rows, step = rows[::2], 2 * step
        number += 1
        characters += sum(map(len, record.fields.values()))
        if number >= _MOST_ROWS or characters >= _MOST_CHARACTERS:
            break
    if not rows:
        raise UserError(f"{path}: nothing in it can be read")
    return rows


def _table(path: Path, format: str) -> tuple[dict[str, Any], list[dict[str, str]], list[str | int]]:
    """(settings of the reader, rows, columns): columns have numbers where the file does not name them."""
    from acclimate.corpus.sources.file_list import find_files

    settings: dict[str, Any] = {"format": format}
    if format in ("tar", "zip"):  # their members tell
        settings = {}
    said = {} if find_files(str(path))[0].format == format else settings
    if format not in ("csv", "tsv"):
        rows = _rows(path, settings)
        return said, rows, list(dict.fromkeys(name for row in rows for name in row))
    bare = _rows(path, {**settings, "header": False, "text": 0})
    try:
        rows = _rows(path, settings)
    except UserError:  # a first line that is no row like the others
        rows = []
    if rows and len(rows[0]) == len(bare[0]) and _is_header(list(rows[0]), rows):
        return said, rows, list(rows[0])
    return {**said, "header": False}, bare, list(range(len(bare[0])))


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


def _chinese(texts: Sequence[str]) -> bool:
    han = sum(len(_HAN.findall(text)) for text in texts)
    return 4 * han >= sum(map(len, texts))


def _widest(columns: Sequence[str | int], rows: Sequence[dict[str, str]], but: str | int | None) -> str | int:
    """The column of the longest values."""
    others = [column for column in columns if column != but]
    return max(others, key=lambda column: sum(len(_cell(row, column)) for row in rows))
