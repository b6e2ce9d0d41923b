from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time

from acclimate.artifacts.locking import hold, holder, is_held, try_lock

HOLD = """
import sys, time
from pathlib import Path
from acclimate.artifacts.locking import try_lock
lock = try_lock(Path(sys.argv[1]))
print(lock is not None, flush=True)
time.sleep(60)
"""


def quiet(message):
    pass


def test_one_holder_at_a_time(tmp_path):
    path = tmp_path / "lock"
    first = try_lock(path)
    assert first is not None
    assert try_lock(path) is None
    assert is_held(path)
    assert re.fullmatch(rf"held by pid {os.getpid()} on \S+ since 20\S+\+00:00", holder(path))
    first.release()
    first.release()
    assert not is_held(path)
    second = try_lock(path)
    assert second is not None
    second.release(remove=True)
    assert not path.exists()
    assert not is_held(path)


def test_a_waiter_is_told_who_holds_and_gets_it_when_the_holder_is_killed(tmp_path):
    path = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    told: list[str] = []

    def on_wait(message):
        told.append(message)
        process.send_signal(signal.SIGKILL)

    with hold(path, on_wait=on_wait):
        assert process.wait() == -signal.SIGKILL
        assert holder(path).startswith(f"held by pid {os.getpid()} ")
    process.stdout.close()
    assert len(told) == 1
    assert told[0].startswith(f"held by pid {process.pid} on ")


def test_a_forked_child_does_not_keep_a_released_lock(tmp_path):
    lock = try_lock(tmp_path / "lock")
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    lock.release()
    again = try_lock(tmp_path / "lock")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert again is not None


def test_many_take_turns_though_each_removes_the_file(tmp_path):
    inside, most, turns = 0, 0, 0

    def work():
        nonlocal inside, most, turns
        for _ in range(10):
            with hold(tmp_path / "lock", on_wait=quiet):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1
                turns += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, turns) == (1, 40)
    assert not (tmp_path / "lock").exists()


def test_an_unsigned_lock_is_held_by_somebody(tmp_path):
    (tmp_path / "lock").write_text("{torn")
    assert holder(tmp_path / "lock") == "held by another process"


def test_a_full_disk_keeps_nobody_from_locking(small_disk):
    (small_disk / "lock").touch()
    with (small_disk / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    lock = try_lock(small_disk / "lock")
    assert lock is not None
    assert is_held(small_disk / "lock")
    lock.release()


def test_a_lock_on_a_file_that_its_holder_removed_meanwhile_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    first = try_lock(path)
    really_open = os.open

    def opened(*arguments):
        handle = really_open(*arguments)
        first.release(remove=True)  # between the opening and the locking of the second
        return handle

    monkeypatch.setattr(os, "open", opened)
    second = try_lock(path)
    monkeypatch.undo()
    assert second is not None
    assert try_lock(path) is None
    second.release()
