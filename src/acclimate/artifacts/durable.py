"""The only writers of durable state: temporary beside it → flush → fsync → rename → fsync of the parent.

At any moment, also after a kill or a power cut, a path holds either what it held before or the whole of the
new content. A full disk or a read-only folder raises CannotWrite (a UserError); what was partly written is
removed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from acclimate.artifacts import temporary
from acclimate.artifacts.faults import CannotWrite, explained, folder_bytes, size_text
from acclimate.artifacts.line_log import LineLog, read_lines

__all__ = [
    "CannotWrite",
    "LineLog",
    "appender",
    "link_tree",
    "move",
    "new_folder",
    "place_folder",
    "read_lines",
    "remove",
    "replace_folder",
    "replace_symlink",
    "scratch_file",
    "scratch_folder",
    "settle",
    "write_bytes",
    "write_json",
    "write_text",
]

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)


def write_bytes(path: Path, data: bytes) -> None:
    """The file holds exactly `data`, or what it held before."""
    with _replacement(Path(path), need=len(data)) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """The file holds `text` in UTF-8, its line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """The file holds `value`, keys sorted, characters as they are. Raises ValueError for NaN and infinity."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    write_text(path, text + "\n")


@contextmanager
def appender(path: Path) -> Iterator[IO[bytes]]:
    """A file to be written piece by piece; it takes its name when the block ends, and not when it raises."""
    with _replacement(Path(path)) as file:
        yield file


@contextmanager
def _replacement(path: Path, need: int | None = None) -> Iterator[IO[bytes]]:
    with explained(path, need=need), temporary.claimed(path, folder=False) as draft:
        with explained(path, need=need, draft=draft), draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        temporary.sync(path.parent)


def new_folder(path: Path) -> Path:
    """The folder, made with its parents where missing."""
    path = Path(path)
    with explained(path):
        missing = [place for place in (path, *path.parents) if not place.is_dir()]
        for place in reversed(missing):
            try:
                place.mkdir(exist_ok=True)
            except (
                FileNotFoundError
            ) as error:  # a parent is there and takes no folder: /proc, a folder just removed
                raise CannotWrite(
                    path, f"no folder can be made in {place.parent}", "nothing was written"
                ) from error
            except FileExistsError:  # not a folder, or `exist_ok` would have let it pass
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place)) from None
            temporary.sync(place.parent)
    return path


def place_folder(names: Iterable[Path], fill: Callable[[Path], None]) -> Path:
    """Fills a new folder through `fill`, then gives it the first of the names (siblings) that is free; that one."""
    names = iter(names)
    path = next(names)
    with explained(path), temporary.claimed(path, folder=True) as draft:
        with explained(path, draft=draft):
            fill(draft)
            temporary.sync_tree(draft)
        while True:
            try:
                move(draft, path)
                return path
            except FileExistsError:
                path = next(names)


def replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Fills a new folder through `fill`, then puts it in the place of `path` whole; the old one goes after."""
    path = Path(path)
    new_folder(path.parent)
    settle(path)
    with explained(path), temporary.claimed(path, folder=True) as draft:
        with explained(path, draft=draft):
            fill(draft)
            temporary.sync_tree(draft)
        _take_place(draft, path)
        temporary.sync(path.parent)
        # After an exchange the draft's name holds the old content; leaving the block removes it.


def _take_place(draft: Path, path: Path) -> None:
    if not os.path.lexists(path):
        draft.rename(path)
    elif path.is_symlink() or not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    elif not temporary.exchange(draft, path):
        # Two steps with a gap between them, in which only the old name is there: `settle` undoes the first.
        old = _old_name(path)
        path.rename(old)
        draft.rename(path)
        temporary.erase(old)


def _old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def settle(path: Path) -> Path:
    """Ends a replacement that was cut off between its two renames, on a file system without exchange.

    Returns the path itself. Readers of a folder written by `replace_folder` call it first; nothing happens in
    all other cases.
    """
    path = Path(path)
    old = _old_name(path)
    if old.is_dir():
        with explained(path):
            if path.exists():
                temporary.erase(old)
            else:
                old.rename(path)
            temporary.sync(path.parent)
    return path


def link_tree(source: Path, target: Path) -> None:
    """The target becomes a tree of hard links to the source's files (copies across file systems), whole."""
    source = Path(source)

    def fill(draft: Path) -> None:
        for path in temporary.files_below(source):
            place = draft / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(path, place)

    if not source.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is no folder to link", str(source))
    try:
        replace_folder(Path(target), fill)
    except CannotWrite as error:
        kept = f"{source} ({size_text(folder_bytes(source))}), which was to be linked there, is unchanged"
        raise CannotWrite(error.path, error.reason, kept) from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)
        shutil.copymode(source, target)


def replace_symlink(path: Path, target: Path | str) -> None:
    """The link at `path` points at `target` (relative to the link's folder, or absolute), in one step."""
    path = Path(path)
    with explained(path):
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        temporary.sweep(path.parent, path.name)
        draft = temporary.name_for(path)
        draft.symlink_to(target)
        try:
            draft.replace(path)
        except OSError:
            temporary.erase(draft)
            raise
        temporary.sync(path.parent)


def move(source: Path, target: Path) -> None:
    """Renames within one file system. Raises FileExistsError where the target is a file or a filled folder."""
    source, target = Path(source), Path(target)
    with explained(target):
        if target.exists() and not (target.is_dir() and source.is_dir()):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        try:
            source.rename(target)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            raise
        temporary.sync(target.parent)
        if source.parent != target.parent:
            temporary.sync(source.parent)


def remove(path: Path) -> None:
    """Removes a file, link or folder; a folder leaves its name in one step: nobody sees half of it."""
    path = Path(path)
    if not os.path.lexists(path):
        return
    with explained(path, kept="what is left of it can be removed by hand"):
        gone = temporary.name_for(path)
        with contextlib.suppress(FileNotFoundError):  # another process removes it too
            path.rename(gone)
            temporary.sync(path.parent)
            temporary.erase(gone)


@contextmanager
def scratch_folder(near: Path | None = None) -> Iterator[Path]:
    """A folder for what is too large for memory and needed for a moment only; in `near`, or the system's own.

    Removed at the end; what a killed process left is removed by the next one.
    """
    folder = Path(tempfile.gettempdir()) if near is None else new_folder(near)
    with explained(folder), temporary.claimed(folder / "acclimate-scratch", folder=True) as scratch:
        scratch.chmod(0o700)
        yield scratch


@contextmanager
def scratch_file(near: Path | None = None) -> Iterator[IO[bytes]]:
    """A file without a name, for reading and writing, gone with the block or the process; on the disk of `near`,
    or in the system's own folder."""
    folder = Path(tempfile.gettempdir()) if near is None else Path(near)
    with explained(folder), tempfile.TemporaryFile(dir=folder) as file:
        yield file
