"""Everything about one task: metrics of both arms, seeds, classes, confusions, predictions and worst errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from acclimate.report.curves import task_curves
from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.gather import RunRecord, TaskRecord
from acclimate.report.heat_map import confusion_matrix, heat_map, mix_ups
from acclimate.report.numbers import count, decimal, number, percent
from acclimate.report.plots import Whisker, interval_strip
from acclimate.report.predictions import is_number, named, prediction, words_of
from acclimate.report.scales import linear_scale
from acclimate.report.task_data import augmentation, independent_test, kept
from acclimate.report.task_tables import clusters_table, written_tables
from acclimate.report.verdict import main_metric, seed_values, task_verdict

SPLITS = ("train", "validation", "test")
EXAMPLES = 8
_EVEN = 1.05
"""How often the largest class may hold the smallest, where they are called equally large."""


def task_view(task: TaskRecord, run: RunRecord) -> dict[str, Any]:
    """The parts of a task's section."""
    evaluation = task.evaluation
    labels = [str(label) for label in evaluation.get("labels") or []]
    matrix = confusion_matrix(evaluation.get("confusion"), labels)
    multi_label = bool(evaluation.get("multi_label"))
    words = words_of(evaluation)
    return {
        "name": task.name,
        "statement": (evaluation.get("verdict") or {}).get("statement")
        or task_verdict(task, run)["sentence"],
        "num_labels": len(labels),
        "multi_label": multi_label,
        "metrics": _metrics(task),
        "has_baseline": bool(evaluation.get("baseline_test")),
        "seeds": _seeds(task, run),
        "classes": _classes(evaluation.get("class_counts") or {}, labels),
        "majority": _majority(task.examples or {}),
        "accounting": _accounting(evaluation.get("accounting") or task.examples or {}),
        "heat_map": None if matrix is None else heat_map(matrix, labels),
        "mix_ups": [] if matrix is None else mix_ups(matrix, labels),
        "class_figures": _class_figures(evaluation.get("per_class") or []),
        "notes": [str(note) for note in evaluation.get("notes") or []],
        "augmentation": augmentation(task),
        "independent": independent_test(task),
        "kept": kept(task),
        "clusters": clusters_table(evaluation),
        "written": written_tables(evaluation),
        "curves": task_curves(task),
        "examples": [prediction(one, words) for one in (evaluation.get("examples") or [])[:EXAMPLES]],
        "worst": [prediction(one, words) for one in (evaluation.get("worst") or [])[:EXAMPLES]],
        "worst_are": words.worst,
    }


def _metrics(task: TaskRecord) -> dict[str, Any] | None:
    """A row per metric: both arms' figures, and a small plot on an axis that is common to all rows."""
    test, baseline = task.evaluation.get("test") or {}, task.evaluation.get("baseline_test") or {}
    named = {
        name: (Estimate.of(test.get(name)), Estimate.of(baseline.get(name))) for name in {**test, **baseline}
    }
    named = {name: arms for name, arms in named.items() if any(arms)}
    if not named:
        return None
    ends = [v for arms in named.values() for one in arms if one for v in (one.value, one.low, one.high)]
    axis = linear_scale(np.asarray(ends), 0, 1, most=4)
    rows = []
    for name, (trained, other) in named.items():
        shown = [
            Whisker("", one.value, one.low, one.high, tone=t)
            for one, t in ((trained, "a"), (other, "b"))
            if one
        ]
        strip = interval_strip(shown, title=metric_name(name), low=axis.low, high=axis.high)
        rows.append({"name": metric_name(name), "trained": trained, "baseline": other, "strip": strip})
    return {"rows": rows, "low": f"{axis.low:g}", "high": f"{axis.high:g}"}


def _seeds(task: TaskRecord, run: RunRecord) -> dict[str, Any] | None:
    """The judged metric of each seed, both arms and their difference."""
    metric = main_metric(task, run)
    if metric is None:
        return None
    trained, baseline = (seed_values(task, arm) for arm in ("with", "without"))
    if not trained:
        return None
    names = sorted({seed for _, seed in task.trainings}, key=lambda one: (len(one), one))
    if len(names) != len(trained):
        names = [str(place) for place in range(len(trained))]
    rows = []
    for place, (seed, value) in enumerate(zip(names, trained, strict=True)):
        other = baseline[place] if place < len(baseline) else math.nan
        rows.append((seed, decimal(value, 4), decimal(other, 4), decimal(value - other, 4, signed=True)))
    return {"metric": metric_name(metric), "rows": rows, "both": bool(baseline)}


def _classes(counts: dict[str, Any], labels: list[str]) -> dict[str, Any] | None:
    """Examples of each class by split, the largest first, and how far the largest outnumbers the smallest."""
    splits = [s for s in SPLITS if counts.get(s)]
    if not splits:
        return None
    first = {str(label): number(n) for label, n in counts[splits[0]].items()}
    names = labels or list(first)
    order = sorted(names, key=lambda label: (-first.get(label, 0.0), label))
    most = max(first.values(), default=0.0)
    totals = {split: sum(number(n) for n in counts[split].values()) for split in splits}
    rows = [
        {
            "name": label,
            "counts": [count(counts[split].get(label, 0)) for split in splits],
            "share": percent(first.get(label, 0.0) / totals[splits[0]]) if totals[splits[0]] else "–",
            "bar": first.get(label, 0.0) / most if most else 0.0,
        }
        for label in order
    ]
    least = min((first.get(label, 0.0) for label in names), default=0.0)
    return {
        "splits": splits,
        "rows": rows,
        "totals": [count(totals[split]) for split in splits],
        "imbalance": decimal(most / least, 1) if least else None,
        "even": bool(least) and most / least < _EVEN,
        "largest": order[0],
        "smallest": order[-1],
    }


def _class_figures(records: list[Any]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class, the weakest first."""
    found = [
        {
            "label": str(one.get("label")),
            **{key: number(one.get(key)) for key in ("support", "precision", "recall", "f1")},
        }
        for one in records
    ]
    return sorted(found, key=lambda one: (math.inf if math.isnan(one["f1"]) else one["f1"], one["label"]))


def _majority(statistics: dict[str, Any]) -> tuple[str, str] | None:
    """The commonest answer, and how much of the test set it would get right."""
    imbalance = statistics.get("imbalance") or {}
    answer = imbalance.get("majority")
    if not answer or not is_number(imbalance.get("majority_accuracy")):
        return None
    return ", ".join(named(answer)), percent(imbalance["majority_accuracy"])


def _accounting(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What was read, kept and dropped on the way to the task's examples, as far as it says."""
    rows = [
        (name, count(record[name])) for name in ("read", "kept") if math.isfinite(number(record.get(name)))
    ]
    dropped = record.get("dropped")
    if isinstance(dropped, dict):
        rows += [(f"dropped ({reason})", count(n)) for reason, n in sorted(dropped.items()) if number(n) > 0]
    return rows
