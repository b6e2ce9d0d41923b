"""Which files stand below a folder. Links never lead out of it, and never in circles."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from acclimate.corpus.document import Dropped
from acclimate.corpus.sources.names import hidden
from acclimate.errors import UserError

RUN_MARK = ".run.json"
"""Stands in every run folder."""


def files_below(folder: Path) -> Iterator[tuple[Path, Dropped | None]]:
    """Every file below the folder that is not hidden, and why it is not to be read, if so.

    Of a data set that `datasets` has saved, its data files. A link to a folder is not entered: what it shows of this
    folder is met at its own place. A file that is a link must lead to somewhere below the folder.
    """
    root = folder.resolve()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: the folder cannot be read: {error.strerror}")

    for at, folders, names in os.walk(folder, onerror=refuse):
        place = Path(at)
        saved = _saved_data_files(place, names)
        if saved is not None:
            names = [name for name in names if name in saved]
        linked = [name for name in folders if (place / name).is_symlink()]
        folders[:] = sorted(name for name in folders if not hidden(name) and not _is_run(place / name))
        for name in sorted((*names, *linked)):
            path = place / name
            if hidden(name) or (name in linked and path.resolve().is_relative_to(root)):
                continue
            yield path, _trouble(path, root)


def matching(pattern: Path) -> tuple[Path, list[Path], list[Dropped]]:
    """(the pattern's fixed part, files that match it, what matches and is not read).

    A pattern without `**` names what it matches, links too. With `**` the rules of `files_below` hold.
    """
    root = fixed_part(pattern)
    if "**" in pattern.parts:
        parts = pattern.relative_to(root).parts
        found = [
            (path, trouble)
            for path, trouble in _walked(root)
            if _fits(path.relative_to(root).parts, parts) or path.is_dir()
        ]
    else:
        # The glob module: Path.glob takes no absolute pattern and lets hidden files match.
        matches = [Path(each) for each in glob.iglob(str(pattern))]  # noqa: PTH207
        found = [(path, _trouble(path, None)) for path in matches if not path.is_dir()]
    found = sorted(one for one in found if not _of_a_run(one[0], root))
    return (
        root,
        [path for path, trouble in found if trouble is None],
        [bad for _, bad in found if bad is not None],
    )


def _walked(root: Path) -> Iterator[tuple[Path, Dropped | None]]:
    """Every file below the root, hidden ones too, and linked folders that lead out of it."""
    real = root.resolve()
    for at, folders, names in os.walk(root):
        folders.sort()
        for name in folders:
            path = Path(at, name)
            if path.is_symlink() and not path.resolve().is_relative_to(real):
                yield path, _trouble(path, real)
        for name in sorted(names):
            yield Path(at, name), _trouble(Path(at, name), real)


def _fits(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern; `**` stands for any number of folders, none hidden."""
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if _fits(path, rest) or (not rest and len(path) == 1 and not path[0].startswith(".")):
            return True
        return bool(path) and not path[0].startswith(".") and _fits(path[1:], pattern)
    if not path or (path[0].startswith(".") and not first.startswith(".")):
        return False
    return fnmatch.fnmatchcase(path[0], first) and _fits(path[1:], rest)


def _trouble(path: Path, root: Path | None) -> Dropped | None:
    """Why what stands at the path is not read: no plain file, or a link that leads out of the root."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return Dropped("broken_link", str(path), "the link leads nowhere, or in a circle")
    if root is not None and not real.is_relative_to(root):
        detail = f"the link leads out of the folder, to {real}; name the link itself to have it read"
        return Dropped("link_out", str(path), detail)
    if not real.is_file():
        return Dropped("special_file", str(path), "a pipe or device is no file")
    return None


def _saved_data_files(folder: Path, names: list[str]) -> set[str] | None:
    """The data files of a folder that `datasets.save_to_disk` wrote; None for another folder."""
    if not {"state.json", "dataset_info.json"} <= set(names):
        return (
            {name for name in names if name != "dataset_dict.json"} if "dataset_dict.json" in names else None
        )
    try:
        state = json.loads((folder / "state.json").read_text("utf-8"))
        return {str(one["filename"]) for one in state["_data_files"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_run(folder: Path) -> bool:
    return (folder / RUN_MARK).is_file()


def _of_a_run(path: Path, root: Path) -> bool:
    return any(_is_run(folder) for folder in path.parents if folder.is_relative_to(root) and folder != root)


def fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before its first special character."""
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)
