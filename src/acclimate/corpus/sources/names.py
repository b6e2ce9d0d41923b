"""What a file's name says of its inside: archive, compression, and the extension that names the format."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from acclimate.corpus.sources.byte_blocks import COMPRESSED

_SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz", ".tzst": ".tar.zst"}


class NameParts(NamedTuple):
    """The layers of a file, by its name."""

    archive: str
    """`tar`, `zip`, or empty."""
    compression: str
    """`.gz`, `.zst`, …, or empty."""
    extension: str
    """What stands before the compression, in lower case: `.jsonl`."""


def name_parts(name: str) -> NameParts:
    """`a.jsonl.gz` → ("", ".gz", ".jsonl"); `a.tgz` → ("tar", ".gz", ".tar")."""
    path = PurePosixPath(name.lower().replace("\\", "/"))
    if path.suffix in _SHORT:
        path = path.with_suffix(_SHORT[path.suffix])
    compression = ""
    if path.suffix in COMPRESSED:
        compression = path.suffix
        path = path.with_suffix("")
    archive = {".tar": "tar", ".zip": "zip"}.get(path.suffix, "")
    return NameParts(archive, compression, path.suffix)


def hidden(name: str) -> bool:
    """Whether a path below a folder or in an archive is hidden, or an archive's own book-keeping."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") and part not in (".", "..") for part in parts) or "__MACOSX" in parts
