"""Rows with labels: what a cell says, which classes there are, and whether every part knows them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from acclimate.corpus.document import Dropped, Record, comparable
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest
from acclimate.transfer.examples.rows import FURTHER, Row, cell, identity

Column = str | int


def labelled_row(
    record: Record, *, text: Column, pair: Column | None, label: Column, separator: str | None
) -> Row | Dropped:
    """The row of these columns. separator: what stands between labels where several may hold."""
    first = cell(record, text)
    second = None if pair is None else cell(record, pair)
    if not first or (pair is not None and not second):
        return Dropped("no_text", record.place, f"{text if not first else pair!r} is empty")
    said = cell(record, label)
    try:
        labels = ((said,) if said else None) if separator is None else _several(said, separator)
    except ValueError as error:
        return Dropped("malformed_label", record.place, str(error))
    if labels is None:
        return Dropped("no_label", record.place, f"{label!r} is empty")
    key = comparable(first), comparable(second or "")
    return Row(identity(record), record.place, first, second, labels, key)


def _several(cell: str | None, separator: str) -> tuple[str, ...] | None:
    """Label names of a cell; an empty cell or list means that no label holds, a missing one that nothing is known."""
    if cell is None:
        return None
    if cell.startswith("["):
        try:
            items = json.loads(cell)
        except ValueError as error:
            raise ValueError(f"{cell[:80]!r} is no JSON list: {error}") from None
        if not all(isinstance(item, (str, int, float)) for item in items):
            raise ValueError(f"expected a list of names, found {cell[:80]!r}")
        names = [item if isinstance(item, str) else json.dumps(item) for item in items]
    elif _is_object(cell):
        raise ValueError(f"expected a list of names, found {cell[:80]!r}")
    else:
        names = cell.split(separator)
    return tuple(sorted({name.strip() for name in names} - {""}))


def _is_object(cell: str) -> bool:
    try:
        return cell.startswith("{") and isinstance(json.loads(cell), dict)
    except ValueError:
        return False


class OneClass(UserError):
    """All examples have the same label."""

    def __init__(self, message: str, label: str) -> None:
        super().__init__(message)
        self.label = label


def class_names(rows: Sequence[Row], *, column: Column, several: bool) -> list[str]:
    """The labels in order: as numbers where all are whole numbers, else by code point. Raises OneClass, UserError."""
    found = {label for row in rows for label in row.labels}
    if not found:
        raise UserError(
            f"{rows[0].place}: the label column {column!r} names no label in any of {len(rows)} rows"
        )
    constant = all(len(row.labels) == len(found) for row in rows)
    if len(found) == 1 and (not several or constant):
        (label,) = found
        raise OneClass(
            f"{rows[0].place}: all {len(rows)} examples have the label {label!r}; "
            "there is nothing to tell apart, a task needs two classes",
            label,
        )
    if all(name.isascii() and name.lstrip("-").isdigit() for name in found):
        return sorted(found, key=lambda name: (int(name), name))
    return sorted(found)


def further_labels(rows: Sequence[Row], column: Column) -> dict[str, Any]:
    """Of the training rows: how many have each label of a further column, and how many none.

    Raises UserError where there is nothing to tell apart.
    """
    found = Counter(row.more[FURTHER] for row in rows if FURTHER in row.more)
    if len(found) < 2:
        told = f"all have {next(iter(found))!r}" if found else "none has a label"
        words = f"of {len(rows)} training examples {told} in column {column!r}; two labels are needed"
        raise UserError(f"transfer.auxiliary.label: {words}")
    return {"column": column, "counts": dict(sorted(found.items())), "without": len(rows) - found.total()}


def known_labels(rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
    """Raises UserError for a label of a held-out part that training does not know."""
    known = set(names)
    for part in sorted(rows.keys() - {"train"}):
        for row in rows[part]:
            for label in row.labels:
                if label not in known:
                    raise UserError(
                        f"{row.place}: label {label!r} is not among the {len(names)} labels of the training examples; "
                        + nearest(label, names if len(names) <= 40 else [*names[:40], "…"])
                    )


def counted(rows: Sequence[Row], names: Sequence[str]) -> dict[str, int]:
    """How many rows each class has."""
    found = Counter(label for row in rows for label in row.labels)
    return {name: found[name] for name in names}


def every_class(rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
    """Raises UserError for a class that a split leaves train or test without."""
    counts = {part: counted(rows[part], names) for part in rows}
    for name in names:
        total = sum(counts[part][name] for part in rows)
        for part in ("train", "test"):
            if not counts[part][name]:
                near = ", which hang together as near-duplicates or equal texts do" if total > 10 else ""
                raise UserError(
                    f"class {name!r} has {total} examples{near}, and none of them fell into {part}; "
                    "it needs more examples, other shares in `split`, or to be left out of the data"
                )


def no_class_lost(rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
    """Raises UserError for a class without training examples."""
    for name, num in counted(rows["train"], names).items():
        if not num:
            raise UserError(
                f"class {name!r} has no training example left: all of its texts are also in validation or test"
            )


def imbalance(rows: Mapping[str, list[Row]], counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """How uneven the classes are, and what always giving the commonest answer of train would reach on the test."""
    in_train = counts["train"]
    largest, smallest = max(in_train, key=in_train.__getitem__), min(in_train, key=in_train.__getitem__)
    # Of equally common answers the one first by name, so that the order of the rows does not matter.
    answers = Counter(row.labels for row in rows["train"])
    majority = min(answers, key=lambda labels: (-answers[labels], labels))
    return {
        "largest": largest,
        "smallest": smallest,
        "ratio": round(in_train[largest] / in_train[smallest], 4),
        "majority": list(majority),
        "majority_accuracy": sum(row.labels == majority for row in rows["test"]) / len(rows["test"]),
    }
