"""What is installed from the wheel is whole: its recipes, the report's page, the server's page, the types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OFFLINE = (
    "Failed to establish a new connection",
    "No matching distribution found for hatchling",
    "ProxyError",
)

WHERE = (
    "from acclimate.cli.shipped import find_shipped; from acclimate.serve import page; "
    "print(find_shipped('quickstart'), page.__file__)"
)


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    made = pip("wheel", "--quiet", "--no-deps", str(ROOT), "--wheel-dir", str(folder))
    if made.returncode and any(words in made.stderr for words in OFFLINE):
        pytest.skip("the wheel's build tool, hatchling, cannot be had here")
    assert made.returncode == 0, made.stderr
    (found,) = folder.glob("acclimate-*.whl")
    return found


@pytest.mark.slow
def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    package = ROOT / "src" / "acclimate"
    files = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name and "/." not in name}
    files |= {f"acclimate/shipped/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert files <= held and "acclimate/py.typed" in held
    assert {name for name in held if not name.startswith("acclimate-")} == files


@pytest.mark.slow
def test_quickstart_runs_from_it(wheel: Path, tmp_path: Path) -> None:
    """With short lengths, from a folder of its own, beside the libraries that are installed here."""
    assert (
        pip("install", "--quiet", "--no-deps", "--target", str(tmp_path / "site"), str(wheel)).returncode == 0
    )
    (tmp_path / "work").mkdir()
    short = {
        "corpus.sources": "[{docstrings: {packages: [python], most_per_package: 400}}]",
        "tokenizer.train.vocab_size": "600",
        "pretrain.length": "2 steps",
        "pretrain.batch": "512 tokens",
        "tasks.package.classification.data": "{docstrings: {packages: [python, numpy], most_per_package: 60}}",
        "tasks.package.classification.length": "2 steps",
        "tasks.package.classification.seeds": "1",
        "evaluate.intervals.bootstrap.resamples": "100",
    }
    sets = [part for key, value in short.items() for part in ("--set", f"{key}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "quickstart", "--json", *sets],
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)
    report = (tmp_path / "work" / metrics["report"]).read_text(encoding="utf-8")
    assert "<style>" in report and metrics["tasks"]["package"]["verdict"]
    resolved = tmp_path / "work" / metrics["run"] / "recipe.resolved.yaml"
    assert "docstrings" in resolved.read_text(encoding="utf-8")
    where = subprocess.run(
        [sys.executable, "-c", WHERE],
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True,
    )
    assert all(path.startswith(str(tmp_path / "site")) for path in where.stdout.split())
