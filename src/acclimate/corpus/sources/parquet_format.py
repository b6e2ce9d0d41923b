"""Parquet as records, in batches; memory is bounded by a row group, which the file's writer chose."""

from __future__ import annotations

from collections.abc import Iterator

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.arrow_rows import ROWS, rows_of
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.format import Choices, Format, Input, SourceFile


def by_parquet_row(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    """A record a row. Raises BrokenStream for a file that is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with input.seekable() as opened:
            stored = opened.seek(0, 2)
            opened.seek(0)
            table = pq.ParquetFile(opened)
            rows = max(1, table.metadata.num_rows)
            number = 1
            for batch in table.iter_batches(batch_size=ROWS, use_threads=False):
                yield from rows_of(batch, file, number, choices.max_characters)
                number += batch.num_rows
                input.count(stored * batch.num_rows // rows)
    except pa.ArrowException as error:
        reason = "out_of_memory" if isinstance(error, MemoryError) else "corrupt"
        raise BrokenStream(reason, f"not valid Parquet: {error}") from error
    except OSError as error:
        if error.errno is None:  # Arrow's own, for bytes that make no sense
            raise BrokenStream("corrupt", f"not valid Parquet: {error}") from error
        raise


FORMAT = Format(
    name="parquet",
    extensions=(".parquet", ".pq"),
    read=by_parquet_row,
    columns="same",
    isolated=True,
)
