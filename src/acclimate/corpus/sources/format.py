"""What a format is: extensions, a function from a file's bytes to records, and the settings that it heeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.lines import BadLine, Line, decoded_lines
from acclimate.corpus.sources.remote import RemoteFile

Lines = Iterator[list[Line | BadLine]]


@dataclass(frozen=True)
class Place:
    """What messages call a file that has no path: a member of an archive."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        return self.text.rpartition("/")[2]


@dataclass(frozen=True)
class SourceFile:
    """A file of a source."""

    path: Path | RemoteFile | Place
    """Where it is; its `str` is for messages."""
    name: str
    """Path below the folder or the glob's fixed part, with `/`; the same wherever the data are kept."""
    format: str
    """A key of FORMATS; `tar` or `zip` for an archive."""

    def size(self) -> int | None:
        """Bytes as stored; None where that is unknown, or the file is gone."""
        if isinstance(self.path, Path):
            try:
                return self.path.stat().st_size
            except OSError:
                return None
        return self.path.bytes if isinstance(self.path, RemoteFile) else None


class Input(Protocol):
    """The bytes of one file, decompressed. Both ways raise BrokenStream for what is damaged."""

    def blocks(self) -> Iterator[bytes]:
        """From front to back."""
        ...

    def seekable(self) -> AbstractContextManager[BinaryIO]:
        """As a file that can be read in any order: itself, or a copy without a name."""
        ...

    def count(self, stored: int) -> None:
        """To be told of stored bytes that were used, by a format that reads in any order."""
        ...


@dataclass(frozen=True)
class Choices:
    """What a source's settings say to a format."""

    documents: str | None = None
    encoding: str | None = None
    """A codec's normal name; None to judge each file by its head."""
    header: bool = True
    quoted: bool | None = None
    max_characters: int = 20_000_000

    def dumped(self) -> dict[str, Any]:
        return asdict(self)


Read = Callable[[SourceFile, Input, Choices], Iterator[Record | Dropped]]


@dataclass(frozen=True)
class Format:
    """One line of the table of formats."""

    name: str
    extensions: tuple[str, ...]
    read: Read
    columns: Literal["none", "each", "same"]
    """Whether records have columns of their own naming: `none` (text stands in "text"), in `each` record others, or the
    `same` in a file."""
    units: tuple[str, ...] = ("record",)
    """What one document may be; the first is the default."""
    heeds: frozenset[str] = frozenset()
    """Settings with a meaning here, of `encoding`, `header`, `quoted`."""
    isolated: bool = False
    """Whether its parser is foreign binary code, and therefore works in a child process."""
    needs: tuple[str, str] | None = None
    """(package, extra that brings it), where it is not always there."""


def text_lines(input: Input, choices: Choices) -> Lines:
    """The lines of a text file."""
    return decoded_lines(input.blocks(), choices.encoding, choices.max_characters)
