"""Turns, ratios, records."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

import harness

MODULE = """
def candidate(specification, session):
    print("chatter of a library")
    if specification["word"] == "bad":
        raise ValueError("no such word")
    session.answer(ready=True)
    while True:
        command = session.command()
        session.answer(word=specification["word"], number=command["number"], threads=specification["threads"])
"""


@pytest.fixture
def echo(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "echoes.py").write_text(MODULE, "utf-8")
    return {"PYTHONPATH": str(tmp_path)}


def test_candidates_answer_in_their_own_processes(echo: dict[str, str]) -> None:
    with harness.Race(threads=3) as race:
        race.add("one", "echoes", environment=echo, word="一")
        race.add("two", "echoes", environment=echo, word="二")
        rounds = race.run(2, number=7)
        processes = [worker._process for worker in race.workers.values()]
    assert list(rounds) == ["one", "two"]
    assert [answer["word"] for answer in rounds["two"]] == ["二", "二"]
    assert all(
        a["number"] == 7 and a["threads"] == 3 and a["peak_memory"] > 1e6 for r in rounds.values() for a in r
    )
    assert [process.returncode for process in processes] == [0, 0]


def test_a_failing_candidate_says_why(echo: dict[str, str]) -> None:
    with harness.Race(threads=1) as race, pytest.raises(harness.Failed, match="no such word"):
        race.add("one", "echoes", environment=echo, word="bad")


def test_each_round_begins_with_another_candidate() -> None:
    asked: list[str] = []

    class Told:
        def __init__(self, name: str) -> None:
            self.name = name

        def ask(self, **command: Any) -> dict[str, Any]:
            asked.append(self.name)
            return {}

        def close(self) -> None:
            pass

    race = harness.Race(1, workers={name: Told(name) for name in "abc"})  # type: ignore[misc]
    race.run(4)
    assert "".join(asked) == "abcbcacababc"


def test_ratios_are_taken_within_rounds() -> None:
    ours = [{"tokens": 100, "seconds": s} for s in (1.0, 10.0, 2.0)]
    theirs = [{"tokens": 100, "seconds": s} for s in (2.0, 40.0, 3.0)]
    ratio = harness.paired(ours, theirs)
    assert ratio == {"median": 2.0, "low": 1.5, "high": 4.0}
    with pytest.raises(ValueError, match="shorter"):
        harness.paired(ours, theirs[:2])


def test_table_columns_stand_below_each_other() -> None:
    lines = harness.table(["", "rate"], [["a", "1"], ["longer", "12,345"]]).splitlines()
    assert lines[2] == "a            1"
    assert lines[3] == "longer  12,345"


def options(*arguments: str) -> argparse.Namespace:
    return harness.arguments("x").parse_args(arguments)


def test_a_record_says_what_it_was_measured_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RECORDS", tmp_path)
    rounds = {"one": [{"seconds": 1.0, "waiting": 0.5}, {"seconds": 1.0}]}
    harness.finish("toy", options("--rounds", "7"), {"ratio": 2.0}, rounds)
    record = json.loads((tmp_path / "toy.json").read_text("utf-8"))
    assert record["form"] == "full" and record["options"]["rounds"] == 7 and record["options"]["threads"] == 2
    assert record["findings"] == {"ratio": 2.0} and record["rounds"] == rounds
    assert record["disturbed_rounds"] == 0.5
    assert {"date", "processor", "cores", "memory_gb", "versions", "native_kernels", "revision"} <= record[
        "machine"
    ].keys()
    assert record["machine"]["versions"]["torch"]


def test_no_path_of_this_machine_gets_into_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RECORDS", tmp_path)
    harness.finish("toy", options(), {}, {})
    assert str(Path(__file__).parents[2]) not in (tmp_path / "toy.json").read_text("utf-8")


def test_a_short_run_leaves_no_record_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RECORDS", tmp_path / "records")
    harness.finish("toy", options("--short"), {}, {})
    assert not (tmp_path / "records").exists()
    harness.finish("toy", options("--short", "--record"), {}, {})
    assert json.loads((tmp_path / "records" / "toy.json").read_text("utf-8"))["form"] == "short"


def test_a_busy_machine_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    harness.finish("toy", options("--short"), {}, {"one": [{"stolen": 0.2}, {"waiting": 0.01}]})
    assert "busy: in 50%" in capsys.readouterr().out
