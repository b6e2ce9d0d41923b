"""The labelled examples of a task: read, split, freed of leaks, counted, and written to a folder.

Rules. Training and validation rows whose texts equal a test text (but for case and white space) are dropped, training
rows that equal a validation text too: `in_test`, `in_validation`. Repeats inside a part stay, for they may be the
frequency of the real thing; they are counted, as are texts that occur with different labels. Texts are kept as they
are, apart from white space at their ends, for a served model will see them so. The classes are those of the training
part.

The folder holds {train,validation,test}.parquet (id, text, pair, label: list of class ids), labels.json (class names
in the order of their ids), statistics.json, and dropped.jsonl (the first thousand of each source's dropped records).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts.durable import write_json, write_text
from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.recipe.settings import nearest
from acclimate.transfer.rows import Ledger, Row, read_rows, repeats, without
from acclimate.transfer.splitting import hold_out, split_rows

if TYPE_CHECKING:
    from acclimate.transfer.classification import Classification

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """One part of a task's examples."""

    ids: list[str]
    """[N] file and line of each."""
    texts: list[str]
    pairs: list[str] | None
    labels: NDArray[Any]
    """[N] int64 class ids, or [N, C] int64 of 0 and 1 where several labels may hold."""

    def __len__(self) -> int:
        return len(self.texts)


def build_examples(task: Classification, folder: Path, tell: Tell = silent) -> dict[str, Any]:
    """Write the examples into the folder and give what statistics.json says.

    Raises UserError: a missing column, nothing to learn from, one class only, a label that training does not know, a
    class that a part is left without.
    """
    ledgers: dict[str, Ledger] = {}
    rows: dict[str, list[Row]] = {}
    for name, reader in task.readers().items():
        ledgers[name] = Ledger()
        rows[name] = read_rows(reader, task, ledgers[name], tell)
    if task.data is not None:
        assert task.split is not None
        names = _class_names(rows["data"], task)
        parts = split_rows(
            rows["data"], validation=task.split.validation, test=task.split.test, near=task.near
        )
        rows = _parted(rows["data"], parts, SPLITS)
        _every_class(rows, names, task)
    else:
        names = _class_names(rows["train"], task)
        _known_labels(rows, names)
        rows = _without_leaks(rows, ledgers)
        if "validation" not in rows:
            assert task.hold_out is not None
            parts = hold_out(rows["train"], share=task.hold_out, near=task.near)
            rows |= _parted(rows["train"], parts, SPLITS[:2])
        _no_class_lost(rows, names)
    for part in SPLITS:
        if not rows[part]:
            spare = "; no training example can be spared, give a `validation` file" if task.hold_out else ""
            raise UserError(f"the {part} part is empty{spare}; it needs more examples")
    statistics = _statistics(rows, names, task.multi_label, ledgers)
    _write(folder, rows, names, statistics, ledgers)
    return statistics


def _class_names(rows: list[Row], task: Classification) -> list[str]:
    """The labels in order: as numbers where all are whole numbers, else by code point."""
    found = {label for row in rows for label in row.labels}
    if not found:
        raise UserError(
            f"{rows[0].place}: the label column {task.label!r} names no label in any of {len(rows)} rows"
        )
    constant = all(len(row.labels) == len(found) for row in rows)
    if len(found) == 1 and (not task.multi_label or constant):
        raise UserError(
            f"{rows[0].place}: all {len(rows)} examples have the label {found.pop()!r}; "
            "there is nothing to tell apart, a task needs two classes"
        )
    if all(name.isascii() and name.lstrip("-").isdigit() for name in found):
        return sorted(found, key=lambda name: (int(name), name))
    return sorted(found)


def _known_labels(rows: dict[str, list[Row]], names: list[str]) -> None:
    known = set(names)
    for part in ("validation", "test"):
        for row in rows.get(part, ()):
            for label in row.labels:
                if label not in known:
                    raise UserError(
                        f"{row.place}: label {label!r} is not among the {len(names)} labels of the training examples; "
                        + nearest(label, names if len(names) <= 40 else [*names[:40], "…"])
                    )


def _without_leaks(rows: dict[str, list[Row]], ledgers: dict[str, Ledger]) -> dict[str, list[Row]]:
    left = dict(rows)
    for held_out, leaking in (("test", "validation"), ("test", "train"), ("validation", "train")):
        if held_out in left and leaking in left:
            keys = {row.key for row in left[held_out]}
            left[leaking] = list(without(left[leaking], keys, f"in_{held_out}", ledgers[leaking]))
    return left


def _parted(rows: list[Row], parts: list[str], names: tuple[str, ...]) -> dict[str, list[Row]]:
    return {name: [row for row, part in zip(rows, parts, strict=True) if part == name] for name in names}


def _count(rows: list[Row], names: list[str]) -> dict[str, int]:
    counted = Counter(label for row in rows for label in row.labels)
    return {name: counted[name] for name in names}


def _every_class(rows: dict[str, list[Row]], names: list[str], task: Classification) -> None:
    counts = {part: _count(rows[part], names) for part in SPLITS}
    for name in names:
        total = sum(counts[part][name] for part in SPLITS)
        for part in ("train", "test"):
            if not counts[part][name]:
                near = ", which hang together as near-duplicates or equal texts do" if total > 10 else ""
                raise UserError(
                    f"class {name!r} has {total} examples{near}, and none of them fell into {part}; "
                    "it needs more examples, other shares in `split`, or to be left out of the data"
                )


def _no_class_lost(rows: dict[str, list[Row]], names: list[str]) -> None:
    for name, num in _count(rows["train"], names).items():
        if not num:
            raise UserError(
                f"class {name!r} has no training example left: all of its texts are also in validation or test"
            )


def _part_statistics(rows: list[Row]) -> dict[str, Any]:
    lengths = [len(row.text) + len(row.pair or "") for row in rows]
    repeated, conflicting = repeats(rows)
    return {
        "examples": len(rows),
        "mean_characters": round(sum(lengths) / len(lengths), 2),
        "max_characters": max(lengths),
        "repeats": repeated,
        "conflicting": conflicting,
    }


def _imbalance(rows: dict[str, list[Row]], counts: dict[str, dict[str, int]]) -> dict[str, Any]:
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


def _statistics(
    rows: dict[str, list[Row]], names: list[str], multi_label: bool, ledgers: dict[str, Ledger]
) -> dict[str, Any]:
    counts = {part: _count(rows[part], names) for part in SPLITS}
    dropped: Counter[str] = sum((ledger.dropped for ledger in ledgers.values()), Counter())
    return {
        "read": sum(ledger.read for ledger in ledgers.values()),
        "kept": sum(ledger.kept for ledger in ledgers.values()),
        "dropped": dict(sorted(dropped.items())),
        "sources": {name: ledger.as_dict() for name, ledger in ledgers.items()},
        "splits": {part: _part_statistics(rows[part]) for part in SPLITS},
        "labels": len(names),
        "multi_label": multi_label,
        "pairs": rows["train"][0].pair is not None,
        "class_counts": counts,
        "imbalance": _imbalance(rows, counts),
    }


def _write(
    folder: Path,
    rows: dict[str, list[Row]],
    names: list[str],
    statistics: dict[str, Any],
    ledgers: dict[str, Ledger],
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    number = {name: index for index, name in enumerate(names)}
    for part in SPLITS:
        table = pa.table(
            {
                "id": pa.array([row.id for row in rows[part]], pa.string()),
                "text": pa.array([row.text for row in rows[part]], pa.string()),
                "pair": pa.array([row.pair for row in rows[part]], pa.string()),
                "label": pa.array(
                    [sorted(number[name] for name in row.labels) for row in rows[part]], pa.list_(pa.int32())
                ),
            }
        )
        parquet.write_table(table, folder / f"{part}.parquet", compression="zstd")
    write_json(folder / "labels.json", names)
    write_json(folder / "statistics.json", statistics)
    lines = [
        json.dumps(
            {"source": name, "reason": one.reason, "place": Path(one.place).name, "detail": one.detail},
            ensure_ascii=False,
        )
        for name, ledger in ledgers.items()
        for one in ledger.samples
    ]
    write_text(folder / "dropped.jsonl", "".join(line + "\n" for line in lines))


def read_labels(folder: Path) -> list[str]:
    """Class names in the order of their ids."""
    names: list[str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return names


def read_statistics(folder: Path) -> dict[str, Any]:
    """What `build_examples` gave."""
    statistics: dict[str, Any] = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    return statistics


def read_examples(folder: Path, split: str) -> Examples:
    """One of the parts `train`, `validation`, `test` of a folder that `build_examples` filled."""
    from pyarrow import parquet

    columns = parquet.read_table(folder / f"{split}.parquet").to_pydict()
    statistics = read_statistics(folder)
    if statistics["multi_label"]:
        labels = np.zeros((len(columns["text"]), statistics["labels"]), dtype=np.int64)
        for row, classes in enumerate(columns["label"]):
            labels[row, classes] = 1
    else:
        labels = np.array([classes[0] for classes in columns["label"]], dtype=np.int64)
    pairs = columns["pair"] if statistics["pairs"] else None
    return Examples(columns["id"], columns["text"], pairs, labels)
