"""Members of tar and zip archives, one after the other; nothing is ever written to disk under a member's name."""

from __future__ import annotations

import fnmatch
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from acclimate.corpus.sources.byte_blocks import (
    BLOCK,
    FREE_EXPANSION,
    MOST_EXPANSION,
    BrokenStream,
    StreamFile,
    decompressed,
)
from acclimate.corpus.sources.names import hidden, name_parts

_ENCRYPTED = 1


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    blocks: Iterator[bytes]
    """Its bytes, decompressed by its own name too; to be read before the next member. Raises BrokenStream."""
    left_out: str = ""
    """The reason why it is not read, with `detail`; empty where it is."""
    detail: str = ""


def members(
    archive: str,
    packed: Iterator[bytes],
    compression: str,
    seekable: Callable[[], BinaryIO],
    known: Callable[[str], bool],
    pattern: str | None,
) -> Iterator[Member]:
    """The files of a `tar` (streamed) or a `zip` (its table stands at its end, so it is read from `seekable`).

    With a `pattern`, members whose path it matches; without, those whose format is `known` are for reading, and others
    come `left_out` by reason `unknown_format`, archives by `nested_archive`. Hidden members are passed over, as in
    folders. Raises BrokenStream where the archive itself is damaged.
    """
    found = _tar(decompressed(packed, compression)) if archive == "tar" else _zip(seekable())
    for name, blocks, trouble in found:
        parts = name_parts(name)
        wanted = fnmatch.fnmatchcase(name, pattern) if pattern else not hidden(name)
        if not wanted:
            continue
        if parts.archive:
            yield Member(name, iter(()), "nested_archive", "an archive in an archive is not opened")
        elif not pattern and not known(name):
            yield Member(name, iter(()), "unknown_format", "its extension is not that of a text format")
        elif trouble:
            yield Member(name, iter(()), *trouble)
        else:
            yield Member(name, decompressed(blocks, parts.compression))


_Found = Iterator[tuple[str, Iterator[bytes], tuple[str, str] | None]]


def _tar(stream: Iterator[bytes]) -> _Found:
    source: Any = StreamFile(stream)
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=BLOCK) as archive:
            while (entry := archive.next()) is not None:
                if entry.isreg():
                    opened = archive.extractfile(entry)
                    assert opened is not None
                    yield entry.name, _tar_blocks(opened), None
                elif not entry.isdir():
                    yield (
                        entry.name,
                        iter(()),
                        ("special_file", "a link or device in an archive is not followed"),
                    )
                archive.members = []  # type: ignore[attr-defined]  # it keeps all that it has seen
    except tarfile.ReadError as error:
        said = str(error)
        reason = "truncated" if "unexpected end" in said or "truncated" in said else "corrupt"
        raise BrokenStream(reason, f"not a whole tar file: {said}") from error
    except (tarfile.TarError, ValueError, UnicodeError, OverflowError) as error:
        raise BrokenStream("corrupt", f"not a valid tar file: {error}") from error


def _tar_blocks(opened: Any) -> Iterator[bytes]:
    try:
        while block := opened.read(BLOCK):
            yield block
    except tarfile.ReadError as error:
        raise BrokenStream("truncated", "the archive ends within this member") from error


def _zip(file: BinaryIO) -> _Found:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
        reason = "truncated" if _begins_as_zip(file) else "corrupt"
        raise BrokenStream(reason, f"not a whole zip file: {error}") from error
    size = file.seek(0, 2)
    unpacked = 0
    with archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            if entry.flag_bits & _ENCRYPTED:
                yield entry.filename, iter(()), ("encrypted", "the member is encrypted")
                continue
            # Members may share their bytes, so each may be harmless and all together none.
            unpacked += entry.file_size
            if unpacked > FREE_EXPANSION and unpacked > MOST_EXPANSION * size:
                raise BrokenStream("bomb", f"{size} bytes unpack to more than {unpacked}")
            yield entry.filename, _zip_blocks(archive, entry), None


def _zip_blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    went = 0
    try:
        with archive.open(entry) as opened:
            while block := opened.read(BLOCK):
                went += len(block)
                if went > FREE_EXPANSION and went > MOST_EXPANSION * entry.compress_size:
                    raise BrokenStream("bomb", f"{entry.compress_size} bytes unpack to more than {went}")
                yield block
    except EOFError as error:
        raise BrokenStream("truncated", "the member ends before its end mark") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise BrokenStream("corrupt", f"not a valid member: {error}") from error


def _begins_as_zip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) == b"PK\3\4"
