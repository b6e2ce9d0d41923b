"""The independent test: labelled examples that nothing but the evaluation looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.errors import UserError
from acclimate.progress import silent
from acclimate.recipe.settings import nearest
from acclimate.transfer.examples import Examples
from acclimate.transfer.rows import Ledger, Row, read_rows, without
from acclimate.transfer.sources import open_independent

if TYPE_CHECKING:
    from acclimate.transfer.classification import Classification


@dataclass(frozen=True)
class Independent:
    """What is left of the independent test, with the books of its reading."""

    examples: Examples
    accounting: dict[str, Any]


def read_independent(
    task: Classification, labels: Sequence[str], known: dict[str, set[tuple[str, str]]]
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
    return Independent(_as_examples(rows, labels, task.multi_label), ledger.as_dict())


def _as_examples(rows: list[Row], labels: Sequence[str], multi_label: bool) -> Examples:
    number = {name: index for index, name in enumerate(labels)}
    held = np.zeros((len(rows), len(labels)), dtype=np.int64)
    for at, row in enumerate(rows):
        for label in row.labels:
            if label not in number:
                raise UserError(
                    f"{row.place}: label {label!r} is not among the {len(labels)} labels of the training examples; "
                    + nearest(label, labels)
                )
            held[at, number[label]] = 1
    pairs = [row.pair or "" for row in rows] if rows[0].pair is not None else None
    targets = held if multi_label else held.argmax(axis=1)
    return Examples([row.id for row in rows], [row.text for row in rows], pairs, targets)
