"""Memory that is given back stays in the process; where that cannot be asked for, nothing happens."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from acclimate.kernels.before_torch import keep_memory

FAULTS = """
import resource, sys
from acclimate.kernels.before_torch import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()
import torch
for _ in range(10):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):  # 40 MB each: glibc would map these anew every time
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator is meant")
def test_large_tensors_cost_no_new_pages() -> None:
    faults = {}
    for how in ("keep", "leave"):
        command = [sys.executable, "-c", FAULTS, how]
        faults[how] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert faults["keep"] < 100 < 10_000 < faults["leave"]


def test_the_switch_and_other_systems_leave_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        assert not keep_memory()
    monkeypatch.setenv("ACCLIMATE_FAST", "0")
    assert not keep_memory()


def test_threads_wait_briefly_whatever_loads_torch_first() -> None:
    """libgomp reads its environment when it is loaded, and says what it read."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GOMP_", "OMP_"))}
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"OMP_DISPLAY_ENV": "verbose"},
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch comes with another OpenMP here")
    assert "GOMP_SPINCOUNT = '3000'" in done.stderr
