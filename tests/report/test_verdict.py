from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.report.estimates import Estimate, metric_name
from acclimate.report.gather import RunRecord, read_run
from acclimate.report.verdict import headline, level, outcome, p_value, seed_values, sentence


def test_estimates_show_the_digits_that_their_interval_allows() -> None:
    one = Estimate.of({"value": 0.78391, "low": 0.76211, "high": 0.80641})
    assert one is not None
    assert (one.text, one.range) == ("0.784", "0.762 to 0.806")
    difference = Estimate(-0.0712, -0.0921, 0.0)
    assert (difference.signed, difference.signed_range) == ("−0.07", "−0.09 to 0.00")
    assert Estimate(8433.8, 8096.0, 8771.0).text == "8434"
    assert (Estimate(0.5).range, Estimate(0.5).text, Estimate(34.56).text) == ("", "0.500", "34.56")


@pytest.mark.parametrize(
    "record", [None, {}, {"value": None}, {"value": float("nan")}, {"value": "0.5"}, 0.5]
)
def test_no_value_no_estimate(record: object) -> None:
    assert Estimate.of(record) is None


def test_outcomes_follow_the_interval_alone() -> None:
    assert outcome(Estimate(0.1, 0.01, 0.2)) == "better"
    assert outcome(Estimate(-0.1, -0.2, -0.01)) == "worse"
    for low, high in ((-0.01, 0.3), (0.0, 0.2), (-0.2, 0.0), (float("nan"), float("nan"))):
        assert outcome(Estimate(0.1, low, high)) == "open"
    assert outcome(None) is None


def test_sentences() -> None:
    trained, baseline = Estimate(0.784, 0.762, 0.806), Estimate(0.713, 0.689, 0.737)
    assert sentence("macro_f1", trained, baseline, Estimate(0.071, 0.05, 0.092)) == (
        "Domain pretraining raises macro F1 from 0.713 to 0.784."
    )
    assert "lowers AUC from 0.784 to 0.713" in sentence(
        "auc", baseline, trained, Estimate(-0.071, -0.09, -0.05)
    )
    assert "No difference can be told" in sentence(
        "accuracy", trained, baseline, Estimate(0.071, -0.01, 0.15)
    )
    assert "model's macro F1 on the test set is 0.784" in sentence("macro_f1", trained, None, None)
    assert "no test figures" in sentence("macro_f1", None, None, None)
    assert metric_name("macro_precision") == "macro precision"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "p < 0.001"), (0.0312, "p = 0.031"), (0.42, "p = 0.42"), (None, None)]
)
def test_p_values(value: float | None, text: str | None) -> None:
    found = p_value(value)
    assert (found and found.replace("\u00a0", " ")) == text


@pytest.fixture
def record(make_run: Callable[..., Any]) -> Callable[..., RunRecord]:
    return lambda **options: read_run(make_run().task(**options).done())


def test_the_metric_of_a_task_without_verdict_is_the_recipes(record: Callable[..., RunRecord]) -> None:
    run = record(baseline=False)
    run.recipe["tasks"]["topic"]["classification"]["metric"] = {"auc": {}}
    assert headline(run)["tasks"][0]["metric"] == "macro F1"
    run.recipe["tasks"]["topic"]["classification"]["metric"] = "auc"
    assert headline(run)["tasks"][0]["metric"] == "AUC"


def test_seeds_may_have_no_value(record: Callable[..., RunRecord]) -> None:
    task = record().tasks[0]
    task.evaluation["per_seed"] = {"with": [0.5, None], "without": None}
    values = seed_values(task, "with")
    assert values[0] == 0.5 and values[1] != values[1]
    assert seed_values(task, "without") == []


@pytest.mark.parametrize(
    ("given", "text"), [("95%", "95 % interval"), (0.9, "90 % interval"), (None, "interval")]
)
def test_the_intervals_level_is_the_recipes(
    record: Callable[..., RunRecord], given: object, text: str
) -> None:
    run = record()
    run.recipe["evaluate"] = {"intervals": {"bootstrap": {"level": given}}}
    assert level(run).replace("\u202f", " ") == text
    run.recipe["evaluate"] = {"intervals": "bootstrap"}
    assert level(run) == "interval"


def test_costs_count_what_this_run_did(make_run: Callable[..., Any]) -> None:
    folder: Path = make_run().corpus().tokens().pretrain().done()
    tiles = {
        name: (value.replace("\u202f", " "), remark)
        for name, value, remark in headline(read_run(folder))["cost"]
    }
    assert tiles["time"] == ("3 min 02 s", "3 stages run, 1 reused from earlier runs")
    assert tiles["tokens trained on"] == ("4M", "30.5k tokens/s")
    assert tiles["peak memory"][1] == "in pretrain"
    metrics = {"stages": {"corpus": {"seconds": 0.0, "peak_memory_bytes": 0, "skipped": True}}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    tiles = {
        name: (value.replace("\u202f", " "), remark)
        for name, value, remark in headline(read_run(folder))["cost"]
    }
    assert tiles["time"] == ("0.0 s", "0 stages run, 1 reused from earlier runs")
    assert "peak memory" not in tiles


def test_without_a_comparison_the_metric_is_the_one_that_was_judged(
    record: Callable[..., RunRecord],
) -> None:
    from acclimate.report.verdict import main_metric

    run = record(baseline=False)
    task = run.tasks[0]
    task.evaluation.pop("verdict", None)
    task.evaluation["metric"] = "accuracy"
    assert {"accuracy", "macro_f1"} <= set(task.evaluation["test"])
    assert main_metric(task, run) == "accuracy"


def test_other_texts_are_forgotten_where_bits_rise_for_sure(whole_run: Callable[[str], Path]) -> None:
    run = read_run(whole_run("en"))
    changes = {"lost": (0.1, 0.05, 0.2), "open": (0.1, -0.05, 0.2), "won": (-0.1, -0.2, -0.05)}
    run.metrics.setdefault("pretrain", {})["texts"] = {
        name: {
            "before": {"bits_per_byte": {"value": 1.5}},
            "change": dict(zip(("value", "low", "high"), ends, strict=True)),
        }
        for name, ends in changes.items()
    }
    found = {one["name"]: one["said"] for one in headline(run)["domain"]["others"]}
    assert "forgets" in found["lost"] and "no change" in found["open"] and "fewer bits" in found["won"]
