"""What the programs conclude from what they measured."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = re.compile(r"harness\.arguments\(|import .*\barguments\b")
PROGRAMS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if OPTIONS.search(path.read_text("utf-8"))
)


def test_programs_were_found() -> None:
    assert {"pretraining_vs_trainer", "finetuning_vs_trainer", "time_to_quality", "growth"} <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main()
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(option in said for option in ("--short", "--threads", "--seconds", "--record"))


def test_make_runs_every_comparison() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    named = re.search(r"^BENCHES := (.*)$", makefile, re.M)
    assert named and set(named[1].split()) == set(PROGRAMS) - {"ceiling"}


def answers(*speeds: float) -> list[dict[str, Any]]:
    return [{"tokens": speed, "seconds": 1.0, "peak_memory": 10} for speed in speeds]


def test_pretraining_names_the_peers_best_setting() -> None:
    from pretraining_vs_trainer import found

    rounds = {
        "Trainer fp32": answers(1, 1, 1),
        "Trainer bf16": answers(2, 3, 2),
        "engine bf16": answers(8, 6, 10),
        "ceiling bf16": answers(16, 16, 16),
    }
    findings = found(rounds)
    assert findings["best_peer"] == "Trainer bf16"
    assert findings["Trainer bf16"]["ratio_of"]["engine bf16"] == {"median": 4.0, "low": 2.0, "high": 5.0}
    assert findings["ceiling bf16"]["ratio_of"]["engine bf16"]["median"] == 0.5
    assert findings["engine bf16"]["ratio_of"] == {}


def test_loss_curves_are_compared_step_by_step() -> None:
    from pretraining_vs_trainer import difference

    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    curve = np.linspace(9, 7, 200)
    same = difference(list(curve + noise), list(curve))
    assert abs(same["mean"]) < 3 * same["error"]
    worse = difference(list(curve + noise + 0.1), list(curve))
    assert worse["mean"] > 3 * worse["error"]


def test_ceiling_counts_what_the_model_multiplies() -> None:
    from ceiling import flops, products

    tokens, hidden = 100, 128
    layers = 2 * 12 * hidden * hidden * 2  # two layers of 12 H² multiply-adds
    head = 15 * (hidden * hidden + hidden * 30522) * 2
    assert flops("tiny", tokens) == 3 * (layers * tokens + head)
    assert products("base", 50)[0] == (50, 768, 3 * 768, 12)


def test_a_product_takes_its_best_time() -> None:
    from ceiling import Product

    product = Product(8, 16, 4, times=3)
    assert [tuple(result.shape) for result in product._results] == [(8, 4), (8, 16), (4, 16)]
    assert 0 < product.measure(0.0) == 3 * sum(product._best)


def test_time_to_quality_is_the_first_look_that_is_good_enough() -> None:
    from time_to_quality import WARMUP, factor, reached

    curve = [[1.0, 10, 9.0], [2.0, 20, 7.0], [3.0, 30, 7.5]]
    assert reached(curve, 7.4) == 2.0
    assert reached(curve, 6.9) is None
    assert (factor(0.0), factor(WARMUP), factor(1.0), factor(1.2)) == (0.0, 1.0, 0.0, 0.0)


def test_growth_fits_a_line_through_steps() -> None:
    from growth import fitted, passes

    tokens = np.array([500.0, 1000, 4000, 16000])
    fit = fitted(tokens, 0.01 + 2e-5 * tokens)
    assert fit["fixed_milliseconds"] == pytest.approx(10)
    assert fit["microseconds_per_token"] == pytest.approx(20)
    assert fit["r_squared"] == pytest.approx(1) and fit["median_relative_error"] < 1e-9

    class Source:
        tokens = np.arange(10)
        offsets = np.array([0, 3, 4, 10])
        num_tokens = 10

    pieces = list(passes(Source(), 25))  # type: ignore[arg-type]
    assert 25 <= sum(len(row) for row, _ in pieces) < 25 + 6
    assert sorted(pieces[0][0].tolist()) == list(range(10))
    for row, lengths in pieces:
        documents = np.split(row, np.cumsum(lengths)[:-1])
        assert all(document.tolist() in ([0, 1, 2], [3], [4, 5, 6, 7, 8, 9]) for document in documents)


def test_startup_is_read_from_a_runs_events() -> None:
    from startup_and_waste import Stopwatch, checkpoint_share, milestones

    def event(when: float, kind: str, stage: str = "pretrain", **fields: Any) -> dict[str, Any]:
        return {"time": f"1970-01-01T00:00:{when:06.3f}Z", "stage": stage, "kind": kind, **fields}

    events = [
        event(11, "stage_start", stage="corpus"),
        event(12, "stage_start"),
        event(20, "step", seconds=1.5),
        event(23, "validation"),
    ]
    times = milestones(events, 10.0)
    assert times == pytest.approx(
        {"before_pretraining": 2, "before_first_step": 8.5, "a_validation": 3, "overhead": 5.5}
    )
    answer = {"seconds": 10.0, "steps": 10, "checkpoint_seconds": 1.0}
    assert checkpoint_share(answer, 198) == pytest.approx(0.01)
    watch = Stopwatch()
    assert watch.around(lambda x: x + 1)(1) == 2 and watch.seconds > 0


def test_finetuning_compares_whole_jobs() -> None:
    from finetuning_vs_trainer import OURS, compared

    def jobs(*seconds: float) -> list[dict[str, Any]]:
        return [{"examples": 100, "seconds": s, "accuracy": 0.5, "peak_memory": 1} for s in seconds]

    findings = compared({"Trainer fp32": jobs(6, 9, 8), OURS: jobs(2, 1, 4)})
    assert findings["Trainer fp32"]["ratio_of"][OURS] == {"median": 3.0, "low": 2.0, "high": 9.0}
    assert findings[OURS]["accuracy_mean"] == 0.5


def test_utilisation_counts_useful_work_only() -> None:
    from gpu_pretraining import OURS, RATE, flops_per_token, summed_up

    hidden, layers, mean = 768, 12, 70
    by_hand = 3 * (layers * (24 * hidden**2 + 4 * mean * hidden) + 0.15 * 2 * (hidden**2 + hidden * 30522))
    assert flops_per_token("base", mean) == pytest.approx(by_hand)
    rounds = {
        "Trainer bf16": answers(10, 10),
        "Trainer bf16 grouped": answers(15, 15),
        OURS: answers(30, 30),
        RATE: [{"flops": 600.0, "seconds": 1.0}] * 2,
    }
    findings = summed_up(rounds, per_token=10)
    assert findings[OURS]["utilisation"]["median"] == 0.5
    assert findings["best_peer"] == "Trainer bf16 grouped"
    assert findings["Trainer bf16 grouped"]["ratio"]["median"] == 2.0
