"""Where a task's records come from: its files or its reader, and whether the columns it names are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from acclimate.corpus.document import Reader, Record, find_column
from acclimate.corpus.duplicates.near import checked_threshold
from acclimate.corpus.first_records import absent, column_problems
from acclimate.corpus.sources.file_list import find_files
from acclimate.corpus.sources.files import Files
from acclimate.errors import UserError
from acclimate.transfer.methods.auxiliary import further_column

if TYPE_CHECKING:
    from acclimate.transfer.task import TaskSettings


def open_readers(task: TaskSettings) -> dict[str, Reader]:
    """The built readers by what they read: `train`, `validation`, `test`, or `data`. Raises UserError."""
    if task.data is not None:
        return {"data": task.data.build()}
    named = {"train": task.train, "validation": task.validation, "test": task.test}
    return {name: _reader(task, source) for name, source in named.items() if source is not None}


def open_independent(task: TaskSettings) -> Reader | None:
    """The built reader of the independent test; nothing is read yet."""
    return None if task.independent_test is None else _files(task, task.independent_test).build()


def roles_of(task: TaskSettings) -> dict[str, str | int]:
    """The columns that every record should have, by what they are to the task."""
    named = {role: getattr(task, role) for role in task.columns}
    return {role: column for role, column in named.items() if column is not None}


def _reader(task: TaskSettings, source: Any) -> Reader:
    built: Reader = (_files(task, source) if isinstance(source, str) else source).build()
    return built


def _files(task: TaskSettings, path: str) -> Files:
    settings: dict[str, Any] = {
        "path": path,
        "text": next(iter(roles_of(task).values())),
        "header": task.header,
        "encoding": task.encoding,
    }
    settings["format"] = task.format
    if task.format == "auto":
        formats = {file.format for file in find_files(path)}
        if "text" in formats:
            settings["format"] = "tsv"  # plain text has no columns, so a labelled .txt must mean tabs
        if "jsonl" in formats:
            _named_columns(task, path)
    elif task.format == "jsonl":
        _named_columns(task, path)
    try:
        return Files.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"{path}: " + "; ".join(one["msg"] for one in error.errors())) from None


def _named_columns(task: TaskSettings, path: str) -> None:
    for role, column in roles_of(task).items():
        if isinstance(column, int):
            raise UserError(f"{path}: columns of JSON lines have names, found the number {column} ({role})")


def column_key(record: Record, column: str | int, role: str) -> str:
    """The record's name for a column. Raises UserError that names the columns there are."""
    key = find_column(record.fields, column)
    if key is None:
        raise UserError(f"{record.place}: {absent(record.fields, column, role)}")
    return key


def check_sources(task: TaskSettings) -> list[tuple[tuple[str, ...], str]]:
    """(place below the task, what is wrong) for everything that the first records of each source show."""
    found: list[tuple[tuple[str, ...], str]] = []
    if task.near is not None:
        try:
            checked_threshold(task.near)
        except UserError as error:
            found.append((("near",), str(error)))
    if task.independent_test is not None:
        try:
            find_files(task.independent_test)  # whether it is there; it is not looked into
        except UserError as error:
            found.append((("independent_test",), str(error)))
    for name in ("data", "train", "validation", "test"):
        source = getattr(task, name)
        if source is not None:
            asked = roles_of(task)
            further = further_column(task.transfer)
            if name in ("data", "train") and further is not None:
                asked["transfer"] = further
            try:
                said = column_problems(_reader(task, source), asked)
                found.extend(((role or name,), message) for role, message in said)
            except UserError as error:
                found.append(((name,), str(error)))
    return found
