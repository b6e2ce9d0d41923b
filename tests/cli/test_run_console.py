"""Progress: bars on a terminal, few plain lines elsewhere, and a table at the end that holds the figures."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from acclimate.cli.run_console import RunConsole, count, duration


def plain(patience: float) -> tuple[RunConsole, io.StringIO]:
    stream = io.StringIO()
    return RunConsole(
        console=Console(file=stream, force_terminal=False, soft_wrap=True), patience=patience
    ), stream


def events(console: RunConsole) -> None:
    with console:
        console.stage_skipped("corpus")
        console.stage_started("pretrain")
        for step in (100, 200, 300):
            console.tell("pretrain", step, 400, "steps", loss=3.14159, tokens_per_second=12345.6)
        console.note("the [lock] is held")
        console.stage_ended("pretrain", 83.2)


def test_without_a_terminal_there_are_plain_lines() -> None:
    console, stream = plain(patience=0)
    events(console)
    lines = stream.getvalue().split("\n")
    assert lines[:2] == ["corpus: up to date, skipped", "pretrain: started"]
    assert re.fullmatch(r"pretrain: 100/400 steps, loss 3\.142, 12\.3k tokens/s, 0\.\d s left", lines[2])
    assert lines[5:] == ["the [lock] is held", "pretrain: done in 1 min 23 s", ""]
    assert "\x1b" not in stream.getvalue()


def test_lines_do_not_come_more_often_than_every_some_seconds() -> None:
    console, stream = plain(patience=10)
    events(console)
    assert "loss" not in stream.getvalue()


def test_a_stage_of_unknown_length_tells_how_far_it_is() -> None:
    console, stream = plain(patience=0)
    console.tell("corpus", 12_000_000, None, "bytes")
    assert stream.getvalue() == "corpus: 12.0M bytes\n"


def test_on_a_terminal_a_bar_shows_loss_speed_and_time_left() -> None:
    stream = io.StringIO()
    console = RunConsole(
        console=Console(file=stream, force_terminal=True, width=140, _environ={"TERM": "xterm"})
    )
    with console:
        console.stage_started("pretrain")
        console.tell("pretrain", 100, 400, "steps", loss=3.14159, tokens_per_second=12345.6)
        console._progress.refresh()
        console.stage_ended("pretrain", 3.0)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "100/400 steps" in shown
    assert "loss 3.142, 12.3k tokens/s" in shown
    assert "✓ pretrain: done in 3.0 s" in shown
    assert "━" in shown


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (0, "0"),
        (0.123, "0.123"),
        (999, "999"),
        (1234, "1,234"),
        (12345, "12.3k"),
        (2e7, "20.0M"),
        (3e9, "3.0G"),
    ],
)
def test_counts(number: float | None, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (12, "12 s"),
        (59.7, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
