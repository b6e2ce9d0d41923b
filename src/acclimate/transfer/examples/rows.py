"""Labelled rows as they are read: texts, label names, and the reasons why some are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.corpus.document import Dropped, Reader, Record, find_column
from acclimate.errors import UserError
from acclimate.progress import Tell
from acclimate.transfer.examples.sources import column_key, roles_of
from acclimate.transfer.methods.auxiliary import further_column

if TYPE_CHECKING:
    from acclimate.transfer.task import TaskSettings

FURTHER = "further"
"""Where `Row.more` has the label that a way of transfer reads besides the task's own."""
_TELL_EVERY = 2000
_MOST_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled example."""

    id: str
    """Name of its file and line: the same wherever the data are kept."""
    place: str
    """`file:line` as the user can open it."""
    text: str
    pair: str | None
    """The second text, of tasks on two."""
    labels: tuple[str, ...]
    """Names of the classes that hold, sorted, each once; none where a task has no classes."""
    key: tuple[str, str]
    """What makes two rows equal: the texts but for case and white space."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What else the task knows of it, as JSON can hold it."""


@dataclass
class Ledger:
    """Exact accounting of one source: read = kept + dropped."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    samples: list[Dropped] = field(default_factory=list)
    """The first dropped records, for a person."""

    def drop(self, one: Dropped) -> None:
        self.dropped[one.reason] += 1
        if len(self.samples) < _MOST_SAMPLES:
            self.samples.append(one)

    @property
    def kept(self) -> int:
        return self.read - self.dropped.total()

    def as_dict(self) -> dict[str, object]:
        return {"read": self.read, "kept": self.kept, "dropped": dict(sorted(self.dropped.items()))}


def read_rows(reader: Reader, task: TaskSettings, ledger: Ledger, tell: Tell) -> list[Row]:
    """All rows that the task can use; the other records go to the ledger by reason.

    Raises UserError where a column is in no record at all, or no row is left.
    """
    rows: list[Row] = []
    first: Record | None = None
    roles = roles_of(task)
    unseen = set(roles)
    total = reader.bytes_total()
    further = further_column(task.transfer)
    for number, record in enumerate(reader.records()):
        if number % _TELL_EVERY == 0:
            tell(reader.bytes_done, total, "bytes")
        ledger.read += 1
        if isinstance(record, Dropped):
            ledger.drop(record)
            continue
        first = first or record
        if unseen:
            unseen = {role for role in unseen if find_column(record.fields, roles[role]) is None}
        made = task.row(record)
        if isinstance(made, Dropped):
            ledger.drop(made)
        else:
            rows.append(made if further is None else _knowing_more(made, record, further))
    tell(reader.bytes_done, total, "bytes")
    if first is not None:
        for role in sorted(unseen, reverse=True):
            column_key(first, roles[role], role)
    if not rows:
        raise UserError(_nothing_left(reader.name, task, ledger))
    return rows


def _knowing_more(row: Row, record: Record, column: str | int) -> Row:
    """The row with the label that stands in the column, if there is one."""
    told = cell(record, column)
    return replace(row, more={**row.more, FURTHER: told}) if told else row


def _nothing_left(name: str, task: TaskSettings, ledger: Ledger) -> str:
    if ledger.dropped["no_label"] and ledger.dropped["no_label"] == ledger.read - ledger.dropped["empty"]:
        column = roles_of(task).get("label", "label")
        return f"{name}: the label column {column!r} is empty in all {ledger.dropped['no_label']} records"
    reasons = (
        ", ".join(f"{reason} {num}" for reason, num in sorted(ledger.dropped.items()))
        or "the source is empty"
    )
    where = f" (the first: {ledger.samples[0].place}: {ledger.samples[0].detail})" if ledger.samples else ""
    return f"{name}: no labelled example in {ledger.read} records: {reasons}{where}"


def cell(record: Record, column: str | int) -> str | None:
    """What stands in a column, without white space around it; None where the record has no such column."""
    key = find_column(record.fields, column)
    return None if key is None else record.fields[key].strip()


def identity(record: Record) -> str:
    """The source's name with the file and line: the same wherever the data are kept."""
    name = Path(record.place).name
    file, _, _ = name.rpartition(":")
    return (
        str(Path(record.source).with_name(name))
        if Path(record.source).name == file
        else f"{record.source}/{name}"
    )


def repeats(rows: list[Row]) -> tuple[int, int]:
    """(rows beyond the first of the same texts, texts that occur with more than one label)."""
    labels_of: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for row in rows:
        labels_of.setdefault(row.key, set()).add(row.labels)
    return len(rows) - len(labels_of), sum(len(labels) > 1 for labels in labels_of.values())


def without(rows: list[Row], keys: set[tuple[str, str]], reason: str, ledger: Ledger) -> Iterator[Row]:
    """The rows whose texts are not among the keys; the others are dropped by the reason."""
    for row in rows:
        if row.key in keys:
            ledger.drop(Dropped(reason, row.place, row.text[:80]))
        else:
            yield row
