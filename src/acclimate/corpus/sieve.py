"""What is done to one batch of documents, a function of each document alone: cleaning, digests, and the numbers that
global steps want. The same in this process, in a worker and on a cluster; batches may be cut anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped, text_digest
from acclimate.corpus.pool import Describing
from acclimate.corpus.split import split_hash

DOCUMENTS = pa.schema(
    [
        ("row", pa.int32()),
        ("source", pa.large_string()),
        ("place", pa.large_string()),
        ("text", pa.large_string()),
        ("id", pa.binary(16)),
        ("read_id", pa.binary(16)),
        ("key", pa.binary(16)),
    ]
)
"""`row`: where in its batch it was read; `id`: digest of the text, `read_id` of the text as it was read; `key`: the
digest that decides the split."""
DROPPED = pa.schema(
    [
        ("row", pa.int32()),
        ("id", pa.binary(16)),
        ("read_id", pa.binary(16)),
        ("source", pa.large_string()),
        ("place", pa.large_string()),
        ("reason", pa.large_string()),
        ("detail", pa.large_string()),
    ]
)
"""`id`: digest of the text when it was dropped; both ids are null for what never became a document."""
_MARK = "\0"


@dataclass
class Sifted:
    """What came of a batch."""

    read: int
    documents: Any
    """Of the schema DOCUMENTS, in reading order."""
    dropped: Any
    """Of the schema DROPPED, in reading order."""
    features: dict[str, NDArray[np.uint64]] = field(default_factory=dict)
    """Name of a describing step → a row of numbers for each document."""
    changed: Counter[str] = field(default_factory=Counter)
    """What cleaners say they changed: reason → documents."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What was found of held-out texts, in reading order."""


@dataclass(frozen=True)
class _Gone:
    row: int
    document: Document | None
    """As it was when it was dropped."""
    dropped: Dropped


class Sieve:
    """Built once in each process from settings; then called for every batch."""

    def __init__(self, cleaners: Sequence[Cleaner], describing: Sequence[Describing] = ()) -> None:
        self._cleaners = cleaners
        self._describing = describing

    def __call__(self, items: Sequence[Document | Dropped], name: str) -> Sifted:
        """`items` are what a reader gave, in its order; `name` is the reader's, for what has no source of its own."""
        read = {row: item for row, item in enumerate(items) if isinstance(item, Document)}
        gone = [_Gone(row, None, item) for row, item in enumerate(items) if isinstance(item, Dropped)]
        rows, documents, dropped, notes = self.clean(list(read), list(read.values()))
        gone += dropped
        gone.sort(key=lambda one: one.row)
        texts = [document.text for document in documents]
        ids = [text_digest(text) for text in texts]
        read_ids = [
            id if read[row].text is text else text_digest(read[row].text)
            for row, text, id in zip(rows, texts, ids, strict=True)
        ]
        columns: list[list[Any]] = [
            rows,
            [document.source for document in documents],
            [document.place for document in documents],
            texts,
            ids,
            read_ids,
            [split_hash(text) for text in texts],
        ]
        return Sifted(
            len(items),
            _batch(columns, DOCUMENTS),
            _batch(_columns_of(gone, read, name), DROPPED),
            {one.name: one.describe(texts) for one in self._describing},
            notes.changed,
            notes.findings,
        )

    def clean(
        self, rows: list[int], documents: list[Document]
    ) -> tuple[list[int], list[Document], list[_Gone], Cleaned]:
        """(rows of what is left, what is left, what was dropped, what cleaners say besides). `rows` number the
        documents."""
        places = [document.place for document in documents]
        marked = len(set(places)) < len(places)
        if marked:  # cleaners tell of a document by its place alone
            documents = [
                replace(document, place=f"{document.place}{_MARK}{row}")
                for row, document in zip(rows, documents, strict=True)
            ]
        row_of = {document.place: row for row, document in zip(rows, documents, strict=True)}
        gone: list[_Gone] = []
        notes = Cleaned()
        for cleaner in self._cleaners:
            before = documents
            cleaned = cleaner(before)
            documents, dropped = cleaned.documents, cleaned.dropped
            notes.changed.update(cleaned.changed)
            notes.findings += cleaned.findings
            if len(documents) + len(dropped) != len(before):
                raise AssertionError(f"a cleaner: {len(before)} in, {len(documents)} + {len(dropped)} out")
            if dropped:
                was = {document.place: document for document in before}
                gone += [_Gone(row_of[one.place], was[one.place], one) for one in dropped]
        left = [row_of[document.place] for document in documents]
        if marked:
            documents = [replace(one, place=one.place.partition(_MARK)[0]) for one in documents]
            gone = [
                replace(one, dropped=replace(one.dropped, place=one.dropped.place.partition(_MARK)[0]))
                for one in gone
            ]
            for finding in notes.findings:
                finding["place"] = finding["place"].partition(_MARK)[0]
        return left, documents, gone, notes


def _columns_of(gone: list[_Gone], read: dict[int, Document], name: str) -> list[list[Any]]:
    return [
        [one.row for one in gone],
        [None if one.document is None else text_digest(one.document.text) for one in gone],
        [None if one.document is None else text_digest(read[one.row].text) for one in gone],
        [name if one.document is None else one.document.source for one in gone],
        [one.dropped.place for one in gone],
        [one.dropped.reason for one in gone],
        [one.dropped.detail for one in gone],
    ]


def _batch(columns: list[list[Any]], schema: Any) -> Any:
    arrays = [pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def dropped_batch(rows: Sequence[tuple[Any, ...]]) -> Any:
    """A batch of the schema DROPPED from rows in its order of columns."""
    return _batch([list(column) for column in zip(*rows, strict=True)] or [[] for _ in DROPPED], DROPPED)


Sift = Callable[[Sequence[Document | Dropped], str], Sifted]
