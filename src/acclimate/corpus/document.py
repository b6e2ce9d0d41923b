"""What readers hand out: records as they stand in a file, documents made of them, and what had to be left
behind.

Accounting is exact: every record that a reader meets leaves it once, as a `Record` (or the `Document` made of
it) or as a `Dropped` with a reason. So read = kept + dropped holds for every step and for the whole corpus.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One record with all its columns as strings."""

    source: str
    """Name of the file below the source's own folder, or of the package; the same wherever the data are
    kept."""
    place: str
    """`file:line` for messages, as the user can open it."""
    fields: dict[str, str]
    """Column name → value. Without a header line the names are "0", "1", …; plain text has the one field
    "text"."""


@dataclass(frozen=True, slots=True)
class Document:
    """A piece of text that stands on its own."""

    source: str
    place: str
    text: str
    fields: dict[str, str]
    """The other columns of the record."""

    @property
    def id(self) -> str:
        """Hash of the text, 32 hexadecimal digits; the same text has the same id in every corpus."""
        return text_digest(self.text).hex()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that is left out, and why."""

    reason: str
    """A short fixed word, such as `too_long`; what statistics count by."""
    place: str
    detail: str
    """What exactly was found, for a person."""


ONE_LENGTH = "files that are aligned by line must be of one length, for after a lost line every pair is wrong"
"""What pairs are refused with whose files are not."""


def text_digest(text: str) -> bytes:
    """128 bits of the SHA-256 of the text in UTF-8. Raises UnicodeEncodeError for lone surrogates."""
    return hashlib.sha256(text.encode()).digest()[:16]


def comparable(text: str) -> str:
    """The form in which trivially different copies are equal: casefolded, white space squeezed."""
    return " ".join(text.casefold().split())


def find_column(fields: Mapping[str, str], column: str | int) -> str | None:
    """The key of a column given by name or by number from 0; None when there is no such column."""
    if isinstance(column, str):
        return column if column in fields else None
    return next(islice(fields, column, None), None) if column >= 0 else None


class Reader(Protocol):
    """Reads one source, streaming. What a reader component's `build()` gives."""

    name: str
    """What to call the source in statistics."""
    bytes_done: int
    """How much of the input was read so far, in bytes as stored; moves on while iterating."""

    def records(self) -> Iterator[Record | Dropped]:
        """Every record with all its columns; needs no text column."""
        ...

    def read(self) -> Iterator[Document | Dropped]:
        """Every record as a document; one without text is dropped by reason `no_text`."""
        ...

    def bytes_total(self) -> int | None:
        """What `bytes_done` will be at the end; None when unknown."""
        ...

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity by content, JSON-able, without reading the text: file digests or package versions, and
        settings."""
        ...

    def check(self) -> list[str]:
        """Problems that can be seen quickly: a missing file, a folder with nothing to read, an absent
        column."""
        ...


@dataclass(slots=True)
class Cleaned:
    """What a cleaner made of some documents: each of them goes on or is dropped, once, in their order."""

    documents: list[Document] = field(default_factory=list)
    """What goes on, perhaps changed."""
    dropped: list[Dropped] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    """What was done to documents that go on, for the statistics: a fixed word → how many documents."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What was found of held-out texts, as `leakage` lists it, JSON-able; each with the `place` of its document."""

    def change(self, document: Document, text: str, what: str) -> None:
        """The document goes on with another text; `what` names the change."""
        self.documents.append(Document(document.source, document.place, text, document.fields))
        self.changed[what] += 1


Cleaner = Callable[[list[Document]], Cleaned]
"""What a cleaner component's `build()` gives: a function of each document alone."""
