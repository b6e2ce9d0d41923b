"""The examples of a task: read, split, freed of leaks, counted, and written to a folder.

Rules. Training and validation rows whose texts equal a test text (but for case and white space) are dropped, training
rows that equal a validation text too: `in_test`, `in_validation`; and where a task is learnt in periods, those of both
parts that equal a test text of another period: `in_test_of_other_period`. Repeats inside a part stay, for they may be
the frequency of the real thing; they are counted, as are texts that occur with different labels. Texts are kept as they
are, apart from white space at their ends, for a served model will see them so. The classes are those of the training
part.

The folder holds {train,validation,test}.parquet (id, text, pair, label: list of class ids, more: what else the task
knows, as JSON), labels.json (class names in the order of their ids), statistics.json, and dropped.jsonl (the first
thousand of each source's dropped records).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts.durable import write_json, write_text
from acclimate.corpus.document import Dropped
from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.transfer.examples.labels import further_labels
from acclimate.transfer.examples.other_periods import classes_of, without_other_tests
from acclimate.transfer.examples.rows import Ledger, Row, read_rows, repeats, without
from acclimate.transfer.examples.splitting import chosen, groups_of, hold_out, split_rows
from acclimate.transfer.methods.auxiliary import further_column

if TYPE_CHECKING:
    from acclimate.transfer.task import TaskSettings

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """One part of a task's examples."""

    ids: list[str]
    """[N] file and line of each."""
    texts: list[str]
    pairs: list[str] | None
    labels: NDArray[Any]
    """[N] int64 class ids, or [N, C] int64 of 0 and 1 where several labels may hold; [N] zeros without classes."""
    more: Sequence[Mapping[str, Any]] = ()
    """[N] what else the task knows of each."""

    def __len__(self) -> int:
        return len(self.texts)

    def shown(self) -> list[str]:
        """Each as it is shown to a person."""
        if self.pairs is None:
            return list(self.texts)
        return [f"{text} ⟷ {pair}" for text, pair in zip(self.texts, self.pairs, strict=True)]


def build_examples(
    task: TaskSettings, folder: Path, tell: Tell = silent, others: Sequence[TaskSettings] = ()
) -> dict[str, Any]:
    """Write the examples into the folder and give what statistics.json says. others: tasks for the other periods of it.

    Raises UserError: a missing column, nothing to learn from, parts that do not fit each other.
    """
    ledgers: dict[str, Ledger] = {}
    rows: dict[str, list[Row]] = {}
    for name, reader in task.readers().items():
        ledgers[name] = Ledger()
        rows[name] = read_rows(reader, task, ledgers[name], tell)
    names = classes_of(task, rows["train" if task.data is None else "data"], others)
    if task.only_judged:
        rows = {"train": [], "validation": [], "test": rows["data"]}
    elif task.data is not None:
        assert task.split is not None
        parts = split_rows(
            rows["data"], validation=task.split.validation, test=task.split.test, near=task.near
        )
        rows = without_other_tests(_parted(rows["data"], parts, SPLITS), others, ledgers)
    else:
        rows = without_other_tests(_without_leaks(rows, ledgers), others, ledgers)
        if "validation" not in rows:
            assert task.hold_out is not None
            parts = hold_out(rows["train"], share=task.hold_out, near=task.near)
            rows |= _parted(rows["train"], parts, SPLITS[:2])
    for part in ("test",) if task.only_judged else SPLITS:
        if not rows[part]:
            raise UserError(_empty(task, part, rows))
    if task.learn_from is not None:
        _take_fewer(rows, task.learn_from, len(names), ledgers["train" if task.data is None else "data"])
    task.settle(rows, names)
    statistics = _statistics(rows, names, task.several, ledgers) | task.told(rows, names)
    column = further_column(task.transfer)
    if column is not None:
        statistics["further"] = further_labels(rows["train"], column)
    _write(folder, rows, names, statistics, ledgers)
    return statistics


def _take_fewer(rows: dict[str, list[Row]], number: int, classes: int, ledger: Ledger) -> None:
    if number < classes:
        raise UserError(
            f"learn_from: expected at least one example of each of {classes} classes, found {number}"
        )
    kept = chosen(rows["train"], number)
    for row, one in zip(rows["train"], kept, strict=True):
        if not one:
            ledger.drop(Dropped("beyond_learn_from", row.place, row.text[:80]))
    rows["train"] = [row for row, one in zip(rows["train"], kept, strict=True) if one]


def _empty(task: TaskSettings, part: str, rows: dict[str, list[Row]]) -> str:
    """Why a part has no example, in words."""
    told = f"the {part} part is empty"
    if (part == "validation" and task.validation is None) or task.data is not None:
        every = [row for split in SPLITS for row in rows[split]]
        groups = len(set(groups_of(every, task.near).tolist()))
        if groups < len(every):
            alike = "like each other (`near`)" if task.near else "equal"
            several = "group" if groups == 1 else "groups"
            told += f": {len(every):,} examples fall into {groups:,} {several} of texts that are {alike}"
            told += ", and a group stays in one part"
        else:
            told += f": there are {groups:,} examples to split"
        if task.data is None:
            return f"{told}; no training example can be spared, give a `validation` file or more examples"
        return f"{told}; give more examples, or larger shares in `split`"
    return f"{told}: its examples are all held out for another part; it needs others"


def _without_leaks(rows: dict[str, list[Row]], ledgers: dict[str, Ledger]) -> dict[str, list[Row]]:
    left = dict(rows)
    for held_out, leaking in (("test", "validation"), ("test", "train"), ("validation", "train")):
        if held_out in left and leaking in left:
            keys = {row.key for row in left[held_out]}
            left[leaking] = list(without(left[leaking], keys, f"in_{held_out}", ledgers[leaking]))
    return left


def _parted(rows: list[Row], parts: list[str], names: tuple[str, ...]) -> dict[str, list[Row]]:
    return {name: [row for row, part in zip(rows, parts, strict=True) if part == name] for name in names}


def _part_statistics(rows: list[Row]) -> dict[str, Any]:
    lengths = [len(row.text) + len(row.pair or "") for row in rows]
    repeated, conflicting = repeats(rows)
    return {
        "examples": len(rows),
        "mean_characters": round(sum(lengths) / max(1, len(lengths)), 2),
        "max_characters": max(lengths, default=0),
        "repeats": repeated,
        "conflicting": conflicting,
    }


def _statistics(
    rows: dict[str, list[Row]], names: list[str], several: bool, ledgers: dict[str, Ledger]
) -> dict[str, Any]:
    dropped: Counter[str] = sum((ledger.dropped for ledger in ledgers.values()), Counter())
    return {
        "read": sum(ledger.read for ledger in ledgers.values()),
        "kept": sum(ledger.kept for ledger in ledgers.values()),
        "dropped": dict(sorted(dropped.items())),
        "sources": {name: ledger.as_dict() for name, ledger in ledgers.items()},
        "splits": {part: _part_statistics(rows[part]) for part in SPLITS},
        "labels": len(names),
        "multi_label": several,
        "pairs": rows["test"][0].pair is not None,
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
                "more": pa.array(
                    [json.dumps(row.more, ensure_ascii=False) if row.more else None for row in rows[part]],
                    pa.string(),
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
    return Examples(
        columns["id"],
        columns["text"],
        columns["pair"] if statistics["pairs"] else None,
        _as_array(columns["label"], statistics["labels"] if statistics["multi_label"] else None),
        [json.loads(one) if one else {} for one in columns["more"]],
    )


def examples_of(rows: Sequence[Row], names: Sequence[str], several: bool) -> Examples:
    """The examples of rows whose labels are all among the names."""
    number = {name: index for index, name in enumerate(names)}
    return Examples(
        [row.id for row in rows],
        [row.text for row in rows],
        [row.pair or "" for row in rows] if rows and rows[0].pair is not None else None,
        _as_array([[number[name] for name in row.labels] for row in rows], len(names) if several else None),
        [row.more for row in rows],
    )


def _as_array(labels: Sequence[Sequence[int]], num_labels: int | None) -> NDArray[Any]:
    """[N] the one label of each, 0 where there is none; or [N, C] of 0 and 1 with the number of labels given."""
    if num_labels is None:
        return np.array([classes[0] if classes else 0 for classes in labels], dtype=np.int64)
    held = np.zeros((len(labels), num_labels), dtype=np.int64)
    for row, classes in enumerate(labels):
        held[row, list(classes)] = 1
    return held
