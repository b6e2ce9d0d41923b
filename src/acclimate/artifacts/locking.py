"""Locks between processes: a file under flock, in which the holder says who it is.

The kernel drops the lock when its holder ends, however it ends, so a lock is never left behind.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from acclimate.artifacts.faults import explained

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5


class Lock:
    """A lock that is held until `release` (or the end of the process)."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    def release(self, *, remove: bool = False) -> None:
        """Gives the lock up; with `remove` the file goes too: waiters notice and make a new one."""
        if self._handle < 0:
            return
        if remove:
            with suppress(OSError):
                self.path.unlink()
        # Unlocked by hand: a forked child may share the handle and would keep the lock.
        fcntl.flock(self._handle, fcntl.LOCK_UN)
        os.close(self._handle)
        self._handle = -1


def try_lock(path: Path) -> Lock | None:
    """The lock, or None when someone holds it."""
    while True:
        with explained(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still(handle, path):  # the last holder removed the file while we opened it
                os.close(handle)
                continue
        except BlockingIOError:
            os.close(handle)
            return None
        _sign(handle)
        return Lock(path, handle)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock, without taking it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """`held by pid 123 on host since 2026-11-21T03:43:00+00:00`, as far as the file tells."""
    try:
        known = json.loads(path.read_text("utf-8"))
        return f"held by pid {known['pid']} on {known['host']} since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "held by another process"


@contextmanager
def hold(path: Path, *, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Waits for the lock and holds it inside. `on_wait` is told who holds it, again whenever that changes."""
    told = ""
    pause = _FIRST_PAUSE
    while (lock := try_lock(path)) is None:
        found = holder(path)
        if found != told:
            on_wait(found)
            told = found
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    try:
        yield
    finally:
        lock.release(remove=True)


def _is_still(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    """Writes who holds the lock, for those who wait; where that cannot be written, the lock holds all the same."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode("utf-8"), 0)
