"""What the other periods of a task decide of one period's examples: none of their tests is learnt from or watched, and
their classes count, too, where there must be two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from acclimate.progress import silent
from acclimate.transfer.examples.labels import OneClass
from acclimate.transfer.examples.rows import Ledger, Row, read_rows, without
from acclimate.transfer.examples.splitting import split_rows

if TYPE_CHECKING:
    from acclimate.transfer.task import TaskSettings

IN_OTHER_TEST = "in_test_of_other_period"


def classes_of(task: TaskSettings, rows: Sequence[Row], others: Sequence[TaskSettings]) -> list[str]:
    """The classes of a period, from the rows it is learnt from. It may have one alone where others have another."""
    try:
        return task.names(rows)
    except OneClass as error:
        elsewhere = (row for other in others for row in _read(other, "train"))
        if any(label != error.label for row in elsewhere for label in row.labels):
            return [error.label]
        raise


def without_other_tests(
    rows: Mapping[str, list[Row]], others: Sequence[TaskSettings], ledgers: Mapping[str, Ledger]
) -> dict[str, list[Row]]:
    """The parts, the learnt and the watched ones without what equals a test example of another period."""
    keys = {row.key for other in others for row in _test(other)}
    left = dict(rows)
    for part in sorted({"train", "validation"} & rows.keys()):
        ledger = ledgers["data" if "data" in ledgers else part]
        left[part] = list(without(rows[part], keys, IN_OTHER_TEST, ledger))
    return left


def _test(task: TaskSettings) -> list[Row]:
    rows = _read(task, "test")
    if task.split is None:
        return rows
    parts = split_rows(rows, validation=task.split.validation, test=task.split.test, near=task.near)
    return [row for row, part in zip(rows, parts, strict=True) if part == "test"]


def _read(task: TaskSettings, part: str) -> list[Row]:
    """The rows of a part, or of all data that are to be split; the period's own stage keeps their books."""
    reader = task.readers()[part if task.data is None else "data"]
    return read_rows(reader, task, Ledger(), silent)
