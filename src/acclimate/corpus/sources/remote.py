"""Files that a URL names, through fsspec: `s3://bucket/a.jsonl.gz`, `https://…`, `hf://datasets/…`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from acclimate.corpus.sources.byte_blocks import BLOCK
from acclimate.errors import UserError

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "sftp": "paramiko",
    "ssh": "paramiko",
}
"""What fsspec needs besides itself; all but paramiko (LGPL) are in the extra `remote`."""
_TAGS = ("ETag", "etag", "md5Hash", "md5", "content_md5", "crc32c", "blob_id", "sha256")
"""Under which names file systems tell a digest of a file's content."""


def is_url(path: str) -> bool:
    """Whether the path is for fsspec; `file://` too."""
    return _URL.match(path) is not None


@dataclass(frozen=True)
class RemoteFile:
    """A file that a URL names; `str` gives the URL."""

    url: str
    system: Any
    """Its fsspec file system."""
    bytes: int | None
    tag: str
    """A digest of the content as its store tells it; empty where it tells none."""

    @classmethod
    def of(cls, system: Any, path: str, about: dict[str, Any]) -> RemoteFile:
        """The file at a path of the file system, from what a listing tells of it."""
        tag = next((f"{key}:{about[key]}" for key in _TAGS if about.get(key)), "")
        return cls(system.unstrip_protocol(path), system, about.get("size"), tag)

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return self.url.partition("?")[0].rpartition("/")[2]

    def open(self) -> BinaryIO:
        """Its bytes from the beginning. Raises OSError."""
        return cast(BinaryIO, self.system.open(self.url, "rb"))

    def digest(self) -> str:
        """By what its store says of its content; by the content itself where that is nothing."""
        if self.tag:
            return f"{self.bytes}:{self.tag}"
        found = hashlib.sha256()
        with self.open() as file:
            while block := file.read(BLOCK):
                found.update(block)
        return found.hexdigest()


def file_system(url: str) -> tuple[Any, str]:
    """(fsspec's file system, path in it). Raises UserError that names the package that a protocol needs."""
    import fsspec

    match = _URL.match(url)
    assert match is not None
    protocol = match[1].lower()
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        extra = "pip install 'acclimate[remote]'"
        way = extra if package not in (None, "paramiko") else f"pip install {package or 'its fsspec package'}"
        raise UserError(f"{url}: to read {protocol}:// install what it needs: {way} ({error})") from error
    except ValueError as error:
        known = sorted({*_PACKAGES, "file", "hf", "memory"})
        from acclimate.recipe.settings import nearest

        raise UserError(
            f"{url}: fsspec knows no protocol {protocol!r}; {nearest(protocol, known)}"
        ) from error
    return system, path
