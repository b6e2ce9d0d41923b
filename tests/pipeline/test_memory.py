from __future__ import annotations

import mmap
import subprocess
import sys
import time

import psutil
import pytest

from acclimate.pipeline import memory
from acclimate.pipeline.memory import PeakMemory

SIZE = 150_000_000


def touch(size=SIZE):
    """Memory that really goes back to the system at once."""
    block = mmap.mmap(-1, size)
    for place in range(0, size, 4096):
        block[place] = 1
    block.close()


def now():
    return psutil.Process().memory_info().rss


@pytest.fixture
def alone(monkeypatch):
    """Other tests of the same worker may have left children that come and go; here they are out of sight."""
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive=False: [])


def test_a_peak_inside_is_seen_after_it_is_gone(alone):
    before = now()
    with PeakMemory() as peak:
        touch()
    assert before + 0.95 * SIZE < peak.peak < before + 1.5 * SIZE


def test_a_peak_outside_does_not_count(alone):
    if not memory._resettable():
        pytest.skip("the kernel's mark cannot be reset here")
    touch()
    with PeakMemory() as peak:
        pass
    assert peak.peak < now() + SIZE / 2
    assert peak.peak > 0


def test_nested_measurements_do_not_disturb_each_other(alone):
    before = now()
    with PeakMemory() as outer:
        touch()
        with PeakMemory() as inner:
            pass
    assert outer.peak > before + 0.95 * SIZE
    if memory._resettable():
        assert inner.peak < before + SIZE / 2
    assert PeakMemory._active == []


def test_sampling_alone_sees_what_lasts(monkeypatch):
    monkeypatch.setattr(memory, "_can_reset", False)
    before = now()
    with PeakMemory() as peak:
        block = bytearray(SIZE)
        block[::4096] = b"x" * len(block[::4096])
        time.sleep(0.2)
        del block
    assert peak.peak > before + 0.9 * SIZE


def test_children_count():
    code = f"b = bytearray(b'x') * {SIZE}; print(len(b), flush=True); input()"
    before = now()
    with PeakMemory() as peak:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == f"{SIZE}\n"
        limit = time.monotonic() + 10
        while peak.peak < before + 0.95 * SIZE and time.monotonic() < limit:
            time.sleep(0.05)
        process.communicate("\n")
    assert peak.peak > before + 0.95 * SIZE


def test_the_thread_ends_and_errors_pass():
    with pytest.raises(RuntimeError), PeakMemory() as peak:
        raise RuntimeError
    assert not peak._thread.is_alive()
    assert PeakMemory._active == []
