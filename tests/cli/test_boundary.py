"""Each kind of error ends in its message and its code."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from acclimate.cli.boundary import guarded
from acclimate.errors import UserError
from acclimate.pipeline.run import StoppedBySignal
from acclimate.recipe.problems import Place, Problem, RecipeError


def raising(error: BaseException) -> Callable[[], None]:
    def verb() -> None:
        raise error

    return guarded(verb)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("the disk is full {x}"), 1, "acclimate: the disk is full {x}\n"),
        (RecipeError("r.yaml", [Problem(Place(3, 4), ("a", 0), "no"), Problem(Place(1, 2), (), "un")]), 2,
         "r.yaml:1:2: un\nr.yaml:3:4: a.0: no\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (StoppedBySignal(signal.SIGINT, Path("runs/x")), 130,
         "acclimate: stopped; everything is saved in runs/x. The same command goes on from there.\n"),
        (StoppedBySignal(signal.SIGTERM, Path("runs/x")), 143,
         "acclimate: stopped; everything is saved in runs/x. The same command goes on from there.\n"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_message(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        raising(error)()
    assert caught.value.exit_code == code
    assert capsys.readouterr() == ("", message)


def test_a_bug_shows_its_traceback_and_the_path_of_its_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(typer.Exit) as caught:
        raising(ZeroDivisionError("oh"))()
    assert caught.value.exit_code == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" in said.err and "ZeroDivisionError: oh" in said.err
    (log,) = tmp_path.glob("acclimate-*.log")
    assert str(log) in said.err
    text = log.read_text(encoding="utf-8")
    assert "ZeroDivisionError: oh" in text and "pydantic 2" in text and "command: " in text


def test_a_bug_whose_log_cannot_be_written_still_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    with pytest.raises(typer.Exit):
        raising(ZeroDivisionError("oh"))()
    assert "could not be written" in capsys.readouterr().err


def test_typers_own_exits_pass() -> None:
    with pytest.raises(typer.Exit) as caught:
        raising(typer.Exit(3))()
    assert caught.value.exit_code == 3
    with pytest.raises(typer.BadParameter):
        raising(typer.BadParameter("x"))()
