"""Arrow's own files as records: the IPC file (Feather 2), and the IPC stream, as `datasets` saves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from acclimate.corpus.document import Dropped, Record
from acclimate.corpus.sources.arrow_rows import rows_of
from acclimate.corpus.sources.byte_blocks import BrokenStream
from acclimate.corpus.sources.format import Choices, Format, Input, SourceFile

_MARK = b"ARROW1"


def by_arrow_row(file: SourceFile, input: Input, choices: Choices) -> Iterator[Record | Dropped]:
    """A record a row; memory is bounded by a record batch, which the file's writer chose.

    Raises BrokenStream for a file that is damaged, after the rows of the batches before the damage.
    """
    import pyarrow as pa

    try:
        with input.seekable() as opened:
            stored = opened.seek(0, 2)
            opened.seek(0)
            number, before = 1, 0
            for batch in _batches(opened):
                yield from rows_of(_checked(batch), file, number, choices.max_characters)
                number += batch.num_rows
                now = opened.tell() if stored else 0
                input.count(max(0, now - before))
                before = max(now, before)
    except EOFError as error:
        raise BrokenStream("truncated", f"not a whole Arrow file: {error}") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = "out_of_memory" if isinstance(error, MemoryError) else "corrupt"
        raise BrokenStream(reason, f"not a valid Arrow file: {error}") from error


def _checked(batch: Any) -> Any:
    """The batch, its offsets checked: they come from the file, and nothing else looks at them."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
        return batch
    except pa.ArrowInvalid:
        # It may be only that a text is not UTF-8, which drops its row and no more.
        plain = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
        columns = [column.view(plain.get(column.type, column.type)) for column in batch.columns]
        batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        batch.validate(full=True)
        return batch


def _batches(opened: BinaryIO) -> Iterator[Any]:
    import pyarrow as pa

    if opened.read(len(_MARK)) != _MARK:
        opened.seek(0)
        with pa.ipc.open_stream(opened) as stream:
            yield from stream
        return
    with pa.ipc.open_file(opened) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


FORMAT = Format(
    name="arrow",
    extensions=(".arrow", ".feather", ".ipc"),
    read=by_arrow_row,
    columns="same",
    isolated=True,
)
