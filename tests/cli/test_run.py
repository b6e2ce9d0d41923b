"""One real, very small run through the command: figures on standard output, all else on standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "acclimate", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def test_a_run_from_recipe_to_figures_and_again(small: Path) -> None:
    folder = small.parent
    first = command(folder, "run", "small.yaml", "--json", "--set", "hardware.threads=1")
    assert first.returncode == 0, first.stderr
    metrics = json.loads(first.stdout)
    assert metrics["pretrain"]["validation"]["bits_per_byte"] > 0
    assert "pretrain: done in" in first.stderr and "bits per byte" in first.stderr
    run = Path(metrics["run"])
    assert (folder / run / "metrics.json").is_file()

    began = time.monotonic()
    again = command(folder, "run", "small.yaml", "--set", "hardware.threads=1")
    assert again.returncode == 0
    assert time.monotonic() - began < 5 or os.getloadavg()[0] > 2
    assert "pretrain: up to date, skipped" in again.stderr
    assert "bits per byte" in again.stdout and "Serve:  acclimate serve runs/small/" in again.stdout

    listed = json.loads(command(folder, "runs", "--json").stdout)["runs"]
    assert [one["state"] for one in listed] == ["finished", "finished"]
    assert (
        command(folder, "diff", listed[0]["folder"], "latest").stdout
        == "settings: 0 differences\nmetrics: 0 differences\n"
    )
