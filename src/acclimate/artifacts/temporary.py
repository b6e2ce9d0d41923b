"""Temporary siblings: where a file or folder is filled before it takes its place, and which are leftovers.

A temporary stands beside its target, named `.<target>.tmp-<pid>-<random>`. Its writer holds a lock on it: flock,
which the kernel drops when the process ends, however it ends, and which no restart of the machine leaves behind.
So a temporary that nobody holds is the leftover of a dead process and may be removed by anyone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = ".tmp-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LINK_AGE = 60.0


def name_for(target: Path) -> Path:
    """A fresh name for a temporary sibling of the target."""
    return target.with_name(f".{target.name}{_MARK}{os.getpid()}-{secrets.token_hex(4)}")


def sync(path: Path) -> None:
    """Has the file or folder reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Has every file and folder below reach the disk; contents before the folder that names them."""
    for place, _, names in os.walk(folder, topdown=False, onerror=_raise):
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                sync(path)
        sync(Path(place))


def files_below(folder: Path) -> Iterator[Path]:
    """Every file (and link) below the folder, in a fixed order. Raises OSError for a folder that cannot be read."""
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def claimed(target: Path, *, folder: bool) -> Iterator[Path]:
    """An empty temporary file or folder beside the target, held by this process; removed at the end if there.

    Leftovers of dead processes for the same target are removed first.
    """
    sweep(target.parent, target.name)
    while True:
        path = name_for(target)
        if folder:
            try:
                path.mkdir()
            except FileNotFoundError as error:
                if not target.parent.is_dir():
                    raise
                # The parent is there and takes no folder: /proc
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from error
            handle = os.open(path, os.O_RDONLY)
        else:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _hold(handle, path):
            break
        os.close(handle)  # another process swept it between its making and its locking
    try:
        yield path
    finally:
        # Unlocked by hand: a forked child may share the handle and would keep the lock.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)
        erase(path)


def _hold(handle: int, path: Path) -> bool:
    """Takes the lock; True when it is ours and the path still names what we locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def sweep(folder: Path, target: str | None = None) -> int:
    """Removes temporaries in a folder that no living process holds, all or those of one target; how many."""
    removed = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if not _is_temporary(entry.name, target):
                continue
            # A leftover that this user may not touch stays; it harms nobody.
            with contextlib.suppress(OSError):
                removed += _remove_unheld(Path(entry.path))
    return removed


def _is_temporary(name: str, target: str | None) -> bool:
    if target is not None:
        return name.startswith(f".{target}{_MARK}")
    return name.startswith(".") and _MARK in name


def _remove_unheld(path: Path) -> bool:
    if path.is_symlink():
        # A link cannot be locked. It lives for an instant, so an old one is a leftover.
        if time.time() - path.lstat().st_mtime < _LINK_AGE:
            return False
        path.unlink()
        return True
    handle = os.open(path, os.O_RDONLY)
    try:
        if not _hold(handle, path):
            return False
        erase(path)
        return True
    finally:
        os.close(handle)


def erase(path: Path) -> None:
    """Removes a file, link or folder, whole; nothing happens when it is gone."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        if path.is_dir():  # someone else is removing it too and was ahead of us inside
            shutil.rmtree(path, ignore_errors=True)


def exchange(first: Path, second: Path) -> bool:
    """Swaps two existing paths in one step; False where kernel or file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))
