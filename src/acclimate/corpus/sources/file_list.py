"""Which files a path, folder, glob, URL or list means, in a fixed order, and in which format each is."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from acclimate.corpus.document import Dropped
from acclimate.corpus.sources import folder_walk, remote
from acclimate.corpus.sources.byte_blocks import COMPRESSED
from acclimate.corpus.sources.format import SourceFile
from acclimate.corpus.sources.formats import EXTENSIONS, FORMATS, known_format
from acclimate.corpus.sources.names import hidden
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

LIST_MARK = "@"
"""Before the path of a text file with a path a line."""


@dataclass(frozen=True)
class Found:
    """What a source's path means."""

    files: list[SourceFile]
    left_out: list[Dropped]
    """What stands there and is never read: pipes, devices, links that lead out of the folder."""


def find_files(path: str | Sequence[str], format: str = "auto") -> list[SourceFile]:
    """The files of `find`."""
    return find(path, format).files


def find(path: str | Sequence[str], format: str = "auto") -> Found:
    """The files, sorted by name; those of several paths in the order of the paths. Raises UserError when there are
    none, naming what is there instead.

    A folder means the files in it, at any depth, whose extension is known (and fits `format`, if given);
    hidden ones and others are left out. A glob means exactly what it matches, `**` any depth. What runs have left
    (folders with a `.run.json`) is never a source. `@list.txt` means the paths that stand in it.
    """
    paths = [path] if isinstance(path, str) else list(path)
    paths = [one for written in paths for one in _listed(written)]
    found = [_find_one(one, format) for one in paths]
    if len(found) == 1:
        return found[0]
    files = {str(file.path): file for one in found for file in one.files}
    return Found(_named_apart(list(files.values())), [each for one in found for each in one.left_out])


def _find_one(path: str, format: str) -> Found:
    if remote.is_url(path):
        return _in_store(path, format)
    place = Path(path)
    if place.is_dir():
        return _in_folder(place, format)
    if place.is_file():
        return Found([_source_file(place, place.name, format)], [])
    if place.exists():
        raise UserError(f"{path}: is a pipe or device, not a file; save what it gives in a file first")
    if not glob.has_magic(path):
        raise UserError(f"{path}: there is no such file or folder; {_near(place)}")
    root, matches, left_out = folder_walk.matching(place)
    if not matches:
        raise UserError(f"{path}: the pattern matches no file; {_near(root / '*')}")
    return Found(
        _sorted([_source_file(each, each.relative_to(root).as_posix(), format) for each in matches]), left_out
    )


def _listed(path: str) -> list[str]:
    """The paths that a list holds, one a line, relative to its folder; lines with `#` in front are remarks."""
    if not path.startswith(LIST_MARK):
        return [path]
    place = Path(path[len(LIST_MARK) :])
    try:
        lines = place.read_text("utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{place}: there is no such list of files; {_near(place)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{place}: the list of files cannot be read: {error}") from error
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise UserError(f"{place}: the list names no file; write a path a line")
    return [line if remote.is_url(line) else os.path.normpath(place.parent / line) for line in named]


def _named_apart(files: list[SourceFile]) -> list[SourceFile]:
    """Names below the folder that all have in common, so that files of several folders keep apart."""
    if not all(isinstance(file.path, Path) for file in files):
        return files
    places = [os.path.abspath(str(file.path)) for file in files]  # noqa: PTH100  # links stay as they are
    top = os.path.commonpath([os.path.dirname(place) for place in places])  # noqa: PTH120
    return [
        replace(file, name=Path(os.path.relpath(place, top)).as_posix())
        for file, place in zip(files, places, strict=True)
    ]


def _sorted(files: list[SourceFile]) -> list[SourceFile]:
    return sorted(files, key=lambda file: file.name)


def _source_file(path: Path | remote.RemoteFile, name: str, format: str) -> SourceFile:
    known = known_format(path.name)
    found = known if format == "auto" or known in ("tar", "zip") else format
    if found is None:
        raise UserError(f"{path}: {unknown_extension(path.name)}")
    return SourceFile(path, name, found)


def unknown_extension(name: str) -> str:
    """What to say of a name that tells no format."""
    known = " ".join(sorted((*EXTENSIONS, ".tar", ".zip")))
    return (
        f"the extension {''.join(Path(name).suffixes[-2:]) or '(none)'} is not known; say `format:` "
        f"one of {', '.join(FORMATS)}, or use one of {known}, each also with {' '.join(COMPRESSED)}"
    )


def _fits(name: str, format: str) -> bool:
    known = known_format(name)
    return known is not None and (format in ("auto", known) or known in ("tar", "zip"))


def _in_folder(folder: Path, format: str) -> Found:
    found: list[SourceFile] = []
    others: set[str] = set()
    left_out: list[Dropped] = []
    for path, dropped in folder_walk.files_below(folder):
        if not _fits(path.name, format) and not path.is_dir():
            others.add("".join(path.suffixes[-2:]) or path.name)
        elif dropped is not None:
            left_out.append(dropped)
        else:
            found.append(_source_file(path, path.relative_to(folder).as_posix(), format))
    if not found:
        raise UserError(_nothing_in(folder, format, others, left_out))
    return Found(_sorted(found), left_out)


def _in_store(url: str, format: str) -> Found:
    """The files that a URL means: one, those of a glob, or all below a folder."""
    system, path = remote.file_system(url)
    try:
        if glob.has_magic(path):
            root = str(folder_walk.fixed_part(Path(path)))
            listed = system.glob(path, detail=True)
        elif system.isdir(path):
            root, listed = path, system.find(path, detail=True)
        else:
            about = system.info(path)
            root, listed = path.rpartition("/")[0], {path: about}
    except FileNotFoundError as error:
        raise UserError(f"{url}: there is no such file or folder") from error
    except Exception as error:  # each store has errors of its own: no network, no rights, no such host
        raise UserError(f"{url}: cannot be listed: {type(error).__name__}: {error}") from error
    found = []
    single = path in listed
    others: set[str] = set()
    for place, about in listed.items():
        name = place.removeprefix(root.rstrip("/")).lstrip("/") or place
        if about.get("type") == "directory":
            continue
        if single or glob.has_magic(path) or (_fits(name, format) and not hidden(name)):
            found.append(_source_file(remote.RemoteFile.of(system, place, about), name, format))
        else:
            others.add(name)
    if not found:
        raise UserError(_nothing_in(url, format, others, []))
    return Found(_sorted(found), [])


def _nothing_in(folder: Path | str, format: str, others: set[str], left_out: list[Dropped]) -> str:
    wanted = "a known extension" if format == "auto" else f"an extension of {format}"
    there = f"there are {', '.join(sorted(others)[:8])}" if others else "it is empty"
    if left_out:
        there = f"{left_out[0].place}: {left_out[0].detail}"
    return f"{folder}: the folder holds no file with {wanted} ({there}); name others by a glob and `format:`"


def _near(place: Path) -> str:
    """What there is instead: names in the folder, or the last folder of the path that exists."""
    folder = place.parent
    if not folder.is_dir():
        while not folder.is_dir() and folder != folder.parent:
            place, folder = folder, folder.parent
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    if not names:
        return f"the folder {folder} is empty"
    hint = nearest(place.name, names)
    if hint.startswith("did you"):
        return f"{hint} (in {folder})"
    return f"{folder} holds {', '.join(names[:8])}" + (
        f" and {len(names) - 8} more" if len(names) > 8 else ""
    )
