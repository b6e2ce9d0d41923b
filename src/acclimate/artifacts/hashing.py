"""Digests (SHA-256, in hex): of values by their canonical JSON, of files by their bytes, each read once."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from acclimate.artifacts import durable

_SETTLED_NS = 2_000_000_000


def digest_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """The digest of a value made of dicts with string keys, lists, strings, numbers, booleans and None.

    The order of keys does not matter, tuples count as lists, 1 and 1.0 differ. Raises ValueError for NaN and
    infinities, TypeError for anything else.
    """
    _check_keys(value)
    # ASCII, so that text with lone surrogates (file names) has a digest too.
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return digest_bytes(text.encode("ascii"))


def _check_keys(value: Any) -> None:
    """JSON would write the keys 1 and "1" alike, and two different values would share a digest."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a digest needs string keys, found {key!r}")
            _check_keys(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _check_keys(one)


def digest_file(path: Path) -> str:
    """The digest of a file's bytes, in bounded memory."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileDigests:
    """Digests of files, remembered by path, size, time of change and inode: large inputs are read once.

    A file that changed in the last two seconds is not remembered: it could change again without its time
    telling. The memory is a file of its own, written by `save` (or leaving a `with`); losing it costs time only.
    """

    def __init__(self, cache_path: Path) -> None:
        self.cache_path = Path(cache_path)
        self._known = _read_cache(self.cache_path)
        self._new: dict[Path, tuple[list[int], str]] = {}

    def __call__(self, path: Path) -> str:
        """The digest of the file. Raises FileNotFoundError and the like as `open` does."""
        place = _place(path)
        found = self._new.get(place) or self._known.get(place)
        if found and found[0] == _identity(place.stat()):
            return found[1]
        while True:
            before = place.stat()
            digest = digest_file(place)
            after = place.stat()
            if _identity(before) == _identity(after):
                break
        if time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS:
            self._new[place] = (_identity(after), digest)
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Takes a digest that is known for certain: of a file that its writer has finished and hashed."""
        place = _place(path)
        self._new[place] = (_identity(place.stat()), digest)

    def save(self) -> None:
        """Writes what is new, beside what other processes wrote meanwhile; forgets files that are gone."""
        if not self._new:
            return
        self._known = {**_read_cache(self.cache_path), **self._new}
        self._new = {}
        present = {str(place): list(entry) for place, entry in sorted(self._known.items()) if place.exists()}
        durable.new_folder(self.cache_path.parent)
        durable.write_json(self.cache_path, present)

    def __enter__(self) -> FileDigests:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.save()


def _place(path: Path) -> Path:
    return Path(path).resolve()


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _read_cache(path: Path) -> dict[Path, tuple[list[int], str]]:
    """What an earlier process remembered; nothing when it cannot be read."""
    try:
        entries = json.loads(path.read_text("utf-8"))
        return {
            Path(place): ([int(number) for number in identity], str(digest))
            for place, (identity, digest) in entries.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
