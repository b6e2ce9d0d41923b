"""File systems to fail on, and processes that are killed at every point where they touch the disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

_EVENTS = {
    *("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.link", "os.symlink"),
    *("os.scandir", "os.listdir", "os.truncate", "fcntl.flock"),
}


def _mount(folder: Path, *options: str) -> None:
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user cannot mount a file system here: {done.stderr.strip()}")


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: waiting for a disk hundreds of times shows nothing more."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    _mount(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def made_read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only: by its permissions, or for root, whom they do not bind, by a mount."""
    mounted, changed = [], []

    def make(folder: Path) -> None:
        if os.geteuid():
            for place in (folder, *(one for one in folder.rglob("*") if one.is_dir())):
                place.chmod(0o555)
                changed.append(place)
            return
        _mount(folder, "--bind", str(folder))
        mounted.append(folder)
        _mount(folder, "-o", "remount,ro,bind")

    yield make
    for folder in changed:
        folder.chmod(0o755)
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """Limits the size of files that this process writes, as a quota does; needs no rights."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def killed_everywhere() -> Callable[[Callable[[], None], Callable[[bool], None]], int]:
    """Runs `action` in processes killed at their first, second, … touch of the disk; `check(ended)` after each.

    Returns how many points there were. The last round is not killed, and is checked with True.
    """

    def run(action: Callable[[], None], check: Callable[[bool], None]) -> int:
        point = 0
        while True:
            point += 1
            child = os.fork()
            if child == 0:
                _die_at(point)
                try:
                    action()
                    os._exit(0)
                except BaseException as error:
                    os.write(2, repr(error).encode())
                    os._exit(1)
            _, status = os.waitpid(child, 0)
            ended = os.WIFEXITED(status)
            assert not ended or os.WEXITSTATUS(status) == 0, "the action failed by itself"
            check(ended)
            if ended:
                return point - 1

    return run


def _die_at(point: int) -> None:
    seen = 0

    def hook(event: str, arguments: object) -> None:
        nonlocal seen
        if event in _EVENTS:
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
