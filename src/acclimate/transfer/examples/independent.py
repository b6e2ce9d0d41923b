"""The independent test: labelled examples that nothing but the evaluation looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acclimate.errors import UserError
from acclimate.progress import silent
from acclimate.transfer.examples.labels import known_labels
from acclimate.transfer.examples.preparing import Examples, examples_of
from acclimate.transfer.examples.rows import Ledger, read_rows, without
from acclimate.transfer.examples.sources import open_independent

if TYPE_CHECKING:
    from acclimate.transfer.task import TaskSettings


@dataclass(frozen=True)
class Independent:
    """What is left of the independent test, with the books of its reading."""

    examples: Examples
    accounting: dict[str, Any]


def read_independent(
    task: TaskSettings, labels: Sequence[str], known: dict[str, set[tuple[str, str]]]
) -> Independent:
    """Opens the independent test. `known`: the texts of the task's own parts by name; examples equal to one are
    dropped as `in_train`, `in_validation` or `in_test`.

    Raises UserError: a label that training does not know, nothing left.
    """
    reader = open_independent(task)
    assert reader is not None
    ledger = Ledger()
    rows = read_rows(reader, task, ledger, silent)
    for part, keys in known.items():
        rows = list(without(rows, keys, f"in_{part}", ledger))
    if not rows:
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(ledger.dropped.items()))
        raise UserError(f"{task.independent_test}: nothing is left of the independent test: {reasons}")
    known_labels({"independent_test": rows}, labels)
    return Independent(examples_of(rows, labels, task.several), ledger.as_dict())
