"""`acclimate corpus` where nothing is left: the books are shown all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acclimate.cli.main import app


def test_the_counts_are_printed_and_the_error_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("kurz\n短\n", "utf-8")
    Path("r.yaml").write_text(
        "corpus: {sources: [{path: a.txt, documents: line}], clean: [{length: {min_characters: 100}}]}\n"
    )
    done = CliRunner().invoke(app, ["corpus", "r.yaml", "--json"])
    assert done.exit_code == 1 and "no document is left" in done.stderr
    assert json.loads(done.stdout) == {"read": 2, "kept": 0, "dropped": {"too_short": 2}, "documents": None}
