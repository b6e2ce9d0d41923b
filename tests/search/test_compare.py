"""Paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from acclimate.search.compare import holm, measures, paired, student, table


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    random = np.random.default_rng(0)
    base, other = random.normal(2.0, 0.3, 5), random.normal(1.9, 0.3, 5)
    found = paired(dict(enumerate(base)), dict(enumerate(other)), lower_is_better=True)
    assert found is not None and found.low is not None and found.high is not None
    expected = stats.ttest_rel(other, base).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.difference == pytest.approx(float((other - base).mean()))
    assert found.p_value == pytest.approx(stats.ttest_rel(other, base).pvalue)


def test_intervals_cover_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    ends = [student(list(random.normal(0.5, 1.0, 5))) for _ in range(2000)]
    covered = np.mean([low <= 0.5 <= high for low, high in ends if low is not None and high is not None])
    assert covered == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("other", "lower_is_better", "finding"),
    [
        ({1: 1.0, 2: 1.1, 3: 0.9}, True, "better"),
        ({1: 1.0, 2: 1.1, 3: 0.9}, False, "worse"),
        ({1: 3.0, 2: 3.1, 3: 2.9}, False, "better"),
        ({1: 1.0, 2: 3.0, 3: 2.0}, True, "no effect shown"),
        ({1: 1.0}, True, "one seed"),
    ],
)
def test_what_is_found(other: dict[int, float], lower_is_better: bool, finding: str) -> None:
    found = paired({1: 2.0, 2: 2.1, 3: 1.9, 4: 50.0}, other, lower_is_better=lower_is_better)
    assert found is not None and found.finding == finding and found.seeds == len(other)
    assert (found.low is None) == (len(other) == 1)


def test_many_variants_are_corrected_for() -> None:
    # Holm's own steps: 4 · .01, 3 · .013, 2 · .02, and what comes after is not below what came before.
    assert holm({"c": 0.02, "a": 0.01, "d": 0.9, "b": 0.013}) == pytest.approx(
        {"a": 0.04, "b": 0.04, "c": 0.04, "d": 0.9}
    )
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(400):
        base, *others = random.normal(0.0, 1.0, (11, 5))
        lines = [
            {
                "variant": name,
                "seed": seed,
                "measures": {"task, auc": value},
                "seconds": 1.0,
                "peak_memory_bytes": 1,
            }
            for name, values in (("base", base), *((str(n), one) for n, one in enumerate(others)))
            for seed, value in enumerate(values)
        ]
        rows = table(lines, ["base", *map(str, range(10))], "base")
        wrong += any(row["differences"]["task, auc"]["corrected"] < 0.05 for row in rows)
    assert wrong / 400 <= 0.08


def test_what_is_the_same_is_not_a_test() -> None:
    found = paired({1: 2.0, 2: 2.5}, {1: 2.0, 2: 2.5}, lower_is_better=True)
    assert found is not None and found.finding == "the same" and found.p_value is None
    known = paired({1: 2.0, 2: 2.5}, {1: 3.0, 2: 3.5}, lower_is_better=True)
    assert known is not None and known.finding == "worse" and known.p_value == 0


def test_without_a_common_seed_nothing_is_found() -> None:
    assert paired({1: 2.0}, {2: 1.0}, lower_is_better=True) is None


def test_a_run_is_judged_by_its_text_and_its_tasks() -> None:
    metrics = {
        "pretrain": {"validation": {"loss": 3.0, "perplexity": 20.0, "bits_per_byte": 1.5}},
        "tasks": {
            "topic": {
                "metric": "macro_f1",
                "test": {"accuracy": {"value": 0.9}, "macro_f1": {"value": 0.8}},
                "verdict": {"metric": "macro_f1"},
            },
            "tone": {
                "metric": "auc",
                "test": {"accuracy": {"value": 0.9}, "auc": {"value": 0.7}},
                "verdict": None,
                "periods": {"average": 0.6, "forgetting": 0.1, "next": 0.5},
            },
        },
    }
    assert measures(metrics) == {
        "held-out text, bits_per_byte": 1.5,
        "topic, macro_f1": 0.8,
        "tone, auc": 0.7,
        "tone in periods, average": 0.6,
        "tone in periods, forgetting": 0.1,
        "tone in periods, next": 0.5,
    }
    assert measures({"pretrain": {"validation": {"loss": 3.0}}, "tasks": {}}) == {"held-out text, loss": 3.0}


def line(variant: str, seed: int, bits: float, seconds: float) -> dict:
    return {
        "variant": variant, "seed": seed, "measures": {"held-out text, bits_per_byte": bits},
        "seconds": seconds, "peak_memory_bytes": 100,
    }  # fmt: skip


def test_rows_hold_differences_and_costs() -> None:
    lines = [
        line("base", 1, 2.0, 10),
        line("base", 2, 2.2, 10),
        line("a", 1, 1.5, 20),
        line("a", 2, 1.69, 22),
    ]
    (row_a, row_b) = table(lines, ["base", "a", "b"], "base")
    found = row_a["differences"]["held-out text, bits_per_byte"]
    assert (found["difference"], found["finding"]) == (pytest.approx(-0.505), "better")
    assert (row_a["time_ratio"], row_a["memory_ratio"], row_a["runs"]) == (2.1, 1.0, 2)
    assert row_b == {"variant": "b", "runs": 0, "differences": {}, "time_ratio": None, "memory_ratio": None}


def test_text_that_is_not_of_the_domain_is_compared_too() -> None:
    texts = {"news": {"after": {"bits_per_byte": {"value": 1.5}}, "change": {"value": 0.1}}}
    found = measures({"pretrain": {"validation": {"bits_per_byte": 2.0}, "texts": texts}})
    assert found == {"held-out text, bits_per_byte": 2.0, "other text news, bits_per_byte": 1.5}
