"""The closing table holds every figure whole, however narrow the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest

from acclimate.cli.summary import estimate, signed, summary, title


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_every_figure_verdict_and_next_step(
    metrics: dict[str, Any], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = io.StringIO()
    summary({**metrics, "report": "runs/small/1/report.html", "run": "runs/my small/1"}, stream)
    shown = stream.getvalue()
    for figure in ("3.500", "[3.400, 3.600]", "2.250", "[2.200, 2.300]", "-1.250", "0.700", "[0.650, 0.750]", "0.800",
                   "[0.750, 0.850]", "+0.100", "[+0.050, +0.150]", "(3 seeds)", "topic: macro-F1"):  # fmt: skip
        assert figure in shown, figure
    assert "topic: Domain pretraining raised macro-F1 by 0.100.\n" in shown
    assert "Report: runs/small/1/report.html\n" in shown
    assert "Serve:  acclimate serve 'runs/my small/1'\n" in shown


def test_without_pretraining_or_baseline_there_is_what_there_is(metrics: dict[str, Any]) -> None:
    del metrics["pretrain"]
    metrics["tasks"]["topic"].update(verdict=None, baseline_test=None)
    stream = io.StringIO()
    summary(metrics, stream)
    shown = stream.getvalue()
    assert "topic: macro-F1" in shown and "topic: AUC" in shown and "0.900" in shown
    assert "bits per byte" not in shown
    stream = io.StringIO()
    summary({"name": "x", "tasks": {}}, stream)
    assert stream.getvalue() == ""


def test_numbers_and_names() -> None:
    assert [signed(value) for value in (0.1234, -0.5, 0.0, 123.45, -12345.6)] == [
        "+0.123",
        "-0.500",
        "0.000",
        "+123.5",
        "-12,346",
    ]
    assert estimate({"value": 0.5}) == "0.500"
    assert estimate({"value": 0.5, "low": 0.4, "high": 0.6}) == "0.500 [0.400, 0.600]"
    assert [title(name) for name in ("macro_f1", "auc", "accuracy")] == ["macro-F1", "AUC", "accuracy"]


def test_what_became_of_other_texts_stands_beside_the_gain() -> None:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    texts = {
        "新闻": {
            "before": {"bits_per_byte": figure(1.5)},
            "after": {"bits_per_byte": figure(1.75)},
            "change": figure(0.25),
        }
    }
    out = io.StringIO()
    summary({"name": "x", "pretrain": {"texts": texts}}, out)
    assert "新闻" in out.getvalue() and "+0.250" in out.getvalue() and "[+0.240, +0.260]" in out.getvalue()


def test_the_change_of_the_domains_own_text_has_its_paired_interval() -> None:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.3, "high": value + 0.3}

    moments = {"before": {"bits_per_byte": figure(2.5)}, "validation": {"bits_per_byte": figure(2.0)}}
    change = {"bits_per_byte": {"value": -0.5, "low": -0.55, "high": -0.45}}
    out = io.StringIO()
    summary({"name": "x", "pretrain": {"intervals": {**moments, "change": change}}}, out)
    assert "-0.500" in out.getvalue() and "[-0.550, -0.450]" in out.getvalue()
