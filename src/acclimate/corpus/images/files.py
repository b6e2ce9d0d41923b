"""Where pictures stand: in a folder, or packed in an archive."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.shelf import Stored, opened
from acclimate.corpus.sources.names import name_parts
from acclimate.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
MOST_BYTES = 256 << 20
"""A larger file is dropped by reason `too_long`."""


def is_picture(name: str) -> bool:
    """Whether a name ends as those of images do."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_archive(name: str) -> bool:
    """Whether a name ends as those of archives do."""
    return bool(name_parts(name).archive)


def listed(source: str) -> list[tuple[str, str]]:
    """(name below the source, what messages call it) of every image in a folder or an archive. Raises UserError."""
    if not Path(source).exists():
        raise UserError(f"{source}: there is no such folder (images)")
    with opened(source, lambda name: False, lambda size: None) as shelf:
        return [(file.name, file.place) for file in shelf.files if is_picture(file.name)]


def contents(sources: Iterable[str], wanted: Collection[str]) -> Iterator[tuple[str, bytes | Dropped]]:
    """(place, bytes) of the images at these places, each once, in the order in which they are stored.

    What cannot be read is told; what is not there is not.
    """
    left = set(wanted)
    for source in sources:
        if not left:
            return
        with opened(source, is_picture, lambda size: None) as shelf:
            for dropped in shelf.left_out:
                if dropped.place in left:
                    left.discard(dropped.place)
                    yield dropped.place, dropped
            for file in shelf.files:
                if file.place in left:
                    left.discard(file.place)
                    yield file.place, _read(file)


def fingerprint(sources: Iterable[str], digests: Callable[[Path], str]) -> list[Any]:
    """Identity of the images by content: an archive's digest, or that of each file of a folder."""
    found: list[Any] = []
    for source in sources:
        if not Path(source).is_dir():
            found.append(digests(Path(source)))
            continue
        found.append([[name, digests(Path(place))] for name, place in listed(source)])
    return found


def _read(file: Stored) -> bytes | Dropped:
    try:
        if (size := file.path.stat().st_size) > MOST_BYTES:
            return Dropped("too_long", file.place, f"{size:,} bytes, more than {MOST_BYTES:,}")
        return file.path.read_bytes()
    except OSError as error:
        return Dropped("unreadable", file.place, str(error.strerror))
