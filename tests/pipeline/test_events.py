from __future__ import annotations

import json
import math
import re
import threading

import pytest

from acclimate.artifacts.durable import read_lines
from acclimate.pipeline.events import EventLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def steps(path):
    return [(e["stage"], e["kind"], e["step"]) for e in read_lines(path) if "step" in e]


def test_an_event_has_time_stage_kind_and_its_fields(path):
    with EventLog(path) as log:
        event = log.emit("pretrain", "step", step=1, loss=2.5, text="语言")
    (line,) = path.read_text("utf-8").splitlines()
    assert json.loads(line) == event
    assert list(event)[:3] == ["time", "stage", "kind"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
    assert event["text"] == "语言"


def test_listeners_hear_events_after_they_are_written(path):
    heard = []
    with EventLog(path) as log:
        log.emit("a", "before")
        log.listen(lambda event: heard.append((event["kind"], len(list(read_lines(path))))))
        log.listen(lambda event: heard.append((event["kind"], None)))
        log.emit("a", "after")
    assert heard == [("after", 2), ("after", None)]


def test_forgetting_drops_later_steps_of_that_stage_and_kind_only(path):
    with EventLog(path) as log:
        log.emit("pretrain", "stage_start")
        for step in range(1, 5):
            log.emit("pretrain", "step", step=step)
            log.emit("pretrain", "validation", step=step)
            log.emit("task", "step", step=step)
        assert log.forget("pretrain", "step", 2) == 2
        assert log.forget("pretrain", "step", 2) == 0
        log.emit("pretrain", "step", step=3)
    assert [step for stage, kind, step in steps(path) if (stage, kind) == ("pretrain", "step")] == [1, 2, 3]
    assert len(list(read_lines(path))) == 1 + 3 * 4 - 2 + 1
    assert steps(path)[-1] == ("pretrain", "step", 3)


def test_a_torn_last_line_is_repaired_and_the_log_goes_on(path):
    with EventLog(path) as log:
        log.emit("a", "step", step=1)
        log.emit("a", "step", step=2)
    path.write_bytes(path.read_bytes()[:-5])
    with EventLog(path) as log:
        log.emit("a", "step", step=2)
    assert steps(path) == [("a", "step", 1), ("a", "step", 2)]


def test_no_number_stops_a_run(path):
    with EventLog(path) as log:
        log.emit("a", "step", step=1, gradient_norm=math.inf)
    assert next(read_lines(path))["gradient_norm"] is None


def test_threads_may_report_while_another_forgets(path):
    with EventLog(path) as log:

        def report(stage):
            for step in range(100):
                log.emit(stage, "step", step=step)

        threads = [threading.Thread(target=report, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for _ in range(20):
            log.forget("c", "step", 0)
            log.emit("c", "step", step=1)
        for thread in threads:
            thread.join()
        log.forget("c", "step", 0)
    for stage in "ab":
        assert [step for name, _, step in steps(path) if name == stage] == list(range(100))
    assert all(stage != "c" for stage, _, _ in steps(path))
