"""Parquet as records, in batches; memory is bounded by a row group, which the file's writer chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from acclimate.artifacts.durable import scratch_file
from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.byte_blocks import COMPRESSED, BrokenStream, blocks
from acclimate.corpus.sources.file_list import SourceFile
from acclimate.corpus.sources.jsonl_format import as_string, unwritable
from acclimate.errors import UserError

_ROWS = 1024


def by_parquet_row(
    file: SourceFile, on_bytes: Callable[[int], None], max_characters: int
) -> Iterator[Record | Dropped]:
    """A record a row. Raises BrokenStream for a file that is damaged, UserError for one that cannot be
    opened.

    A compressed file (`.gz`, `.zst`) is unpacked into an unnamed temporary file first: Parquet is read from
    its end.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = file.path.stat().st_size
        with scratch_file() if file.path.suffix in COMPRESSED else file.path.open("rb") as opened:
            if file.path.suffix in COMPRESSED:
                for block in blocks(file.path, on_bytes):
                    opened.write(block)
                opened.seek(0)
                stored = 0
            table = pq.ParquetFile(opened)
            rows = max(1, table.metadata.num_rows)
            number = 1
            for batch in table.iter_batches(batch_size=_ROWS):
                yield from _rows(batch, file, number, max_characters)
                number += batch.num_rows
                on_bytes(stored * batch.num_rows // rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BrokenStream("corrupt", f"not valid Parquet: {error}") from error
    except OSError as error:
        if error.errno is None:  # Arrow's own, for bytes that make no sense
            raise BrokenStream("corrupt", f"not valid Parquet: {error}") from error
        raise UserError(f"{file.path}: cannot be read: {error.strerror}") from error


def _rows(batch: Any, file: SourceFile, number: int, max_characters: int) -> Iterator[Record | Dropped]:
    import pyarrow as pa

    names = batch.schema.names
    if len(set(names)) < len(names):
        names = [name if names.index(name) == index else str(index) for index, name in enumerate(names)]
    columns = [
        [_cell(value) for value in column.to_pylist()]
        if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type)
        else column.fill_null("").to_pylist()
        for column in batch.columns
    ]
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


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        # A lone surrogate for each bad byte: the row is then dropped as undecodable.
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (str, bool, int, float, list, dict)) or value is None:
        return as_string(value)
    return str(value)
