"""Which files a path, folder or glob means, in a fixed order, and in which format each is."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from acclimate.corpus.sources.byte_blocks import COMPRESSED
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

FORMATS: dict[str, tuple[str, ...]] = {
    "text": (".txt", ".md", ".text", ".markdown", ".rst"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
}
"""Format → extensions, each also with `.gz` or `.zst` behind it. `.json` is taken for JSON lines."""
RUN_MARK = ".run.json"
"""Stands in every run folder."""
_FORMAT_OF = {extension: name for name, extensions in FORMATS.items() for extension in extensions}


@dataclass(frozen=True)
class SourceFile:
    """A file of a source."""

    path: Path
    name: str
    """Path below the folder or the glob's fixed part, with `/`; the same wherever the data are kept."""
    format: str
    """A key of FORMATS."""


def find_files(path: str, format: str = "auto") -> list[SourceFile]:
    """The files, sorted by name. Raises UserError when there are none, naming what is there instead.

    A folder means the files in it, at any depth, whose extension is known (and fits `format`, if given);
    hidden ones and others are left out. A glob means exactly what it matches, `**` any depth. What runs have left
    (folders with a `.run.json`) is never a source.
    """
    place = Path(path)
    if place.is_dir():
        return _in_folder(place, format)
    if place.exists():
        return [_source_file(place, place.name, format)]
    if not glob.has_magic(path):
        raise UserError(f"{path}: there is no such file or folder; {_near(place)}")
    root = _fixed_part(place)
    # The glob module: Path.glob takes no absolute pattern and lets hidden files match.
    matches = glob.iglob(path, recursive=True)  # noqa: PTH207
    found = sorted(Path(each) for each in matches if Path(each).is_file() and not _of_a_run(Path(each), root))
    if not found:
        raise UserError(f"{path}: the pattern matches no file; {_near(root / '*')}")
    return _sorted([_source_file(each, each.relative_to(root).as_posix(), format) for each in found])


def _is_run(folder: Path) -> bool:
    return (folder / RUN_MARK).is_file()


def _of_a_run(path: Path, root: Path) -> bool:
    return any(_is_run(folder) for folder in path.parents if folder.is_relative_to(root) and folder != root)


def _sorted(files: list[SourceFile]) -> list[SourceFile]:
    return sorted(files, key=lambda file: file.name)


def known_format(path: Path) -> str | None:
    """The format by extension, None for an unknown one."""
    suffix = path.suffix.lower()
    if suffix in COMPRESSED:
        suffix = path.with_suffix("").suffix.lower()
    return _FORMAT_OF.get(suffix)


def _source_file(path: Path, name: str, format: str) -> SourceFile:
    found = known_format(path) if format == "auto" else format
    if found is None:
        extensions = " ".join(sorted(_FORMAT_OF))
        raise UserError(
            f"{path}: the extension {''.join(path.suffixes[-2:]) or '(none)'} is not known; say `format:` "
            f"one of {', '.join(FORMATS)}, or use one of {extensions}, each also with .gz or .zst"
        )
    return SourceFile(path, name, found)


def _in_folder(folder: Path, format: str) -> list[SourceFile]:
    found = []
    others: set[str] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: the folder cannot be read: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _is_run(Path(place, name))
        )
        for name in names:
            path = Path(place, name)
            known = known_format(path)
            if name.startswith(".") or not path.is_file():
                continue
            if known is None or format not in ("auto", known):
                others.add("".join(path.suffixes[-2:]) or name)
            else:
                found.append(SourceFile(path, path.relative_to(folder).as_posix(), known))
    if not found:
        wanted = "a known extension" if format == "auto" else f"an extension of {format}"
        there = f"there are {', '.join(sorted(others)[:8])}" if others else "it is empty"
        raise UserError(
            f"{folder}: the folder holds no file with {wanted} ({there}); name others by a glob and `format:`"
        )
    return _sorted(found)


def _fixed_part(pattern: Path) -> Path:
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


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
