"""Rows of an Arrow record batch as records: what Parquet and Arrow files have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.format import SourceFile
from acclimate.corpus.sources.jsonl_format import as_string, unwritable

ROWS = 1024
"""Rows that are made into records at once."""


def rows_of(batch: Any, file: SourceFile, number: int, max_characters: int) -> Iterator[Record | Dropped]:
    """A record a row, the first with this number; in pieces, for a batch is as long as its writer wanted."""
    for start in range(0, batch.num_rows, ROWS):
        yield from _piece(batch.slice(start, ROWS), file, number + start, max_characters)


def _piece(batch: Any, file: SourceFile, number: int, max_characters: int) -> Iterator[Record | Dropped]:
    names = batch.schema.names
    if len(set(names)) < len(names):
        names = [name if names.index(name) == index else str(index) for index, name in enumerate(names)]
    columns = [_cells(column) for column in batch.columns]
    for offset in range(batch.num_rows):
        place = f"{file.path}:{number + offset}"
        fields = {name: column[offset] for name, column in zip(names, columns, strict=True)}
        size = sum(map(len, fields.values()))
        if size > max_characters:
            yield Dropped("too_long", place, f"{size} characters, more than {max_characters}")
        elif reason := unwritable(fields):
            yield Dropped(reason, place, "in one of its columns")
        else:
            yield Record(file.name, place, fields)


def _cells(column: Any) -> list[str]:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            return column.fill_null("").to_pylist()
        except UnicodeDecodeError:  # nothing obliges a writer to put UTF-8 there
            column = column.cast(pa.large_binary())
    return [_cell(value) for value in column.to_pylist()]


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        # A lone surrogate for each bad byte: the row is then dropped as undecodable.
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (str, bool, int, float, list, dict)) or value is None:
        return as_string(value)
    return str(value)
