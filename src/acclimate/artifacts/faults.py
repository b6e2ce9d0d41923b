"""What goes wrong when writing, said so that the user can mend it: full disk, read-only folder and the like."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acclimate.errors import UserError

_MENDABLE = {
    errno.ENOSPC: "no space is left there",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "the operation is not permitted",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EISDIR: "a folder stands where a file is needed",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the device reports an input/output error",
}
_OUT_OF_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ABOUT_THE_DEVICE = (*_OUT_OF_ROOM, errno.EROFS)

# Libraries written in other languages raise their own classes; only the text carries the system's number.
_NUMBER = re.compile(r"(?:os error |errno:? ?)(\d+)", re.IGNORECASE)
# numpy's way to say that the disk took only a part of an array.
_SHORT = re.compile(r"no space left on device|\d+ requested and \d+ written", re.IGNORECASE)


class CannotWrite(UserError):
    """A durable write failed for a reason outside the program; what stood at the path before is unchanged."""

    def __init__(self, path: Path, reason: str, kept: str, *, inside: str = "") -> None:
        at = f" (at {inside})" if inside else ""
        super().__init__(f"cannot write {path}{at}: {reason}; {kept}")
        self.path, self.reason = path, reason


def error_number(error: BaseException) -> int | None:
    """The system's error number behind an exception, also where a library hid it in its message."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    if found:
        return int(found[1])
    return errno.ENOSPC if _SHORT.search(str(error)) else None


@contextmanager
def explained(
    path: Path,
    *,
    need: int | None = None,
    draft: Path | None = None,
    kept: str = "what was there before is unchanged",
) -> Iterator[None]:
    """Turns a mendable failure inside into CannotWrite naming `path`, the bytes needed, and what was kept.

    Where the need is not known beforehand, the size that `draft` had reached tells what was not enough; and what
    could not be written inside the draft is told as a part of `path`, for the draft's own name means nothing.
    """
    try:
        yield
    except CannotWrite as error:
        if draft is None or not error.path.is_relative_to(draft):
            raise
        inside = str(error.path.relative_to(draft))
        raise CannotWrite(path, error.reason, kept, inside=inside) from error
    except UserError:
        raise
    except Exception as error:
        number = error_number(error)
        if number not in _MENDABLE or _is_elsewhere(error, number, path):
            raise
        needed = None if need is None else f"needed {size_text(need)}"
        if needed is None and draft is not None and draft.exists():
            needed = f"needed more than {size_text(folder_bytes(draft))}"
        inside = _inside(getattr(error, "filename", None), path, draft)
        raise CannotWrite(path, _reason(path, number, needed), kept, inside=inside) from error


def _is_elsewhere(error: Exception, number: int, path: Path) -> bool:
    """Whether the failure is about another place: an input that may not be read is no failure to write."""
    both = (getattr(error, "filename", None), getattr(error, "filename2", None))  # two for a link or a rename
    named = [Path(one).absolute() for one in both if isinstance(one, str)]
    if number in _ABOUT_THE_DEVICE or not named:
        return False
    return not any(one.is_relative_to(path.parent.absolute()) for one in named)


def _inside(named: object, path: Path, draft: Path | None) -> str:
    """The place below the path that an error names; empty where it tells no more than the path."""
    if not isinstance(named, str):
        return ""
    for folder in (draft, path):
        if folder is not None and Path(named).is_relative_to(folder) and Path(named) != folder:
            return str(Path(named).relative_to(folder))
    return ""


def _reason(path: Path, number: int, needed: str | None) -> str:
    reason = _MENDABLE[number]
    if number in _OUT_OF_ROOM:
        free = free_bytes(path)
        sizes = [*([needed] if needed else []), *([] if free is None else [f"free {size_text(free)}"])]
        if sizes:
            reason += f" ({', '.join(sizes)})"
    return reason


def free_bytes(path: Path) -> int | None:
    """Bytes free to this user where `path` is or would be; None where the system does not say."""
    for folder in (path, *path.parents):
        if folder.is_dir():
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                return None
    return None


def size_text(size: int) -> str:
    """A size for a message: `812 bytes`, `4.2 MB`."""
    if size < 1000:
        return f"{size} bytes"
    amount, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}"


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder, or of one file."""
    return sum(path.lstat().st_size for path in (folder, *folder.rglob("*")) if path.is_file())
