"""The corpus on disk: `documents/` with a folder per split, Parquet files of id, source and text; and beside it
`dropped.parquet` with everything that was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.corpus.split import SPLITS
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

DOCUMENTS = "documents"
DROPPED = "dropped.parquet"
_SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.string())])
_DROPPED_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "read_id", "source", "place", "reason", "detail")]
)
_GROUP_ROWS = 8192
_GROUP_CHARACTERS = 8_000_000
_BATCH = 512
_PART = "part-00000.parquet"


class GroupedWriter:
    """A Parquet file whose row groups depend on the rows alone, not on how they arrive; one group is in memory."""

    def __init__(self, path: Path, schema: Any, plain: tuple[str, ...]) -> None:
        """`plain`: columns whose values are nearly all different, for which a dictionary is no use."""
        names = [name for name in schema.names if name not in plain]
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=names)
        self._schema = schema
        self._held: list[Any] = []
        self._rows = 0
        self._size = 0

    def add(self, batch: Any, sizes: NDArray[np.int64]) -> None:
        """A batch with the columns of the schema; `sizes` [n] are the lengths of its rows in characters."""
        while batch.num_rows:
            ends = self._size + np.cumsum(sizes)
            full = int(np.searchsorted(ends, _GROUP_CHARACTERS)) + 1
            count = min(full, _GROUP_ROWS - self._rows, batch.num_rows)
            self._held.append(batch.slice(0, count))
            self._rows += count
            self._size = int(ends[count - 1])
            if self._rows >= _GROUP_ROWS or self._size >= _GROUP_CHARACTERS:
                self._flush()
            batch, sizes = batch.slice(count), sizes[count:]

    def _flush(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held).cast(self._schema).combine_chunks()
            self._writer.write_table(table)
        self._held, self._rows, self._size = [], 0, 0

    def close(self, *, finish: bool = True) -> None:
        """Writes what is held and closes; without `finish` it is only closed, after an error."""
        if finish:
            self._flush()
        self._writer.close()


class SplitWriter:
    """Writes documents to the splits of a corpus folder; the same documents give the same bytes."""

    def __init__(self, folder: Path) -> None:
        places = {split: durable.new_folder(folder / DOCUMENTS / split) / _PART for split in SPLITS}
        self._writers = {
            split: GroupedWriter(place, _SCHEMA, ("id", "text")) for split, place in places.items()
        }
        self.counts = {split: {"documents": 0, "bytes": 0, "characters": 0} for split in SPLITS}

    def add(self, splits: NDArray[np.int8], ids: Any, sources: Any, texts: Any) -> None:
        """Columns of n documents: index into SPLITS, id in hexadecimal digits, source, text."""
        batch = pa.record_batch([ids, sources, texts], names=_SCHEMA.names)
        characters = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        for number, split in enumerate(SPLITS):
            rows = np.flatnonzero(splits == number)
            if not len(rows):
                continue
            counts = self.counts[split]
            counts["documents"] += len(rows)
            counts["characters"] += int(characters[rows].sum())
            counts["bytes"] += int(sizes[rows].sum())
            part = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))
            self._writers[split].add(part, characters[rows])

    def close(self, *, finish: bool = True) -> None:
        """Writes what is held and closes the files; without `finish` they are only closed, after an error."""
        for writer in self._writers.values():
            writer.close(finish=finish)


class DroppedWriter:
    """Writes what was left out, in the order of dropping."""

    def __init__(self, folder: Path) -> None:
        self._writer = GroupedWriter(folder / DROPPED, _DROPPED_SCHEMA, ("id", "read_id", "place"))

    def add(self, dropped: Any) -> None:
        """A batch of the schema `sieve.DROPPED`."""
        columns = [
            hexadecimal(dropped[name]) if name in ("id", "read_id") else dropped[name]
            for name in _DROPPED_SCHEMA.names
        ]
        batch = pa.record_batch(columns, names=_DROPPED_SCHEMA.names)
        lengths = pc.utf8_length(dropped["detail"]).to_numpy(zero_copy_only=False)
        self._writer.add(batch, lengths.astype(np.int64))

    def close(self, *, finish: bool = True) -> None:
        self._writer.close(finish=finish)


def hexadecimal(digests: Any) -> Any:
    """A column of 16 bytes as one of 32 digits; null stays null."""
    return pa.array([None if one is None else one.hex() for one in digests.to_pylist()], pa.large_string())


def document_files(folder: Path, split: str) -> list[Path]:
    """The files of a split in the order of its documents."""
    return sorted((Path(folder) / DOCUMENTS / split).glob("part-*.parquet"))


def read_texts(folder: Path, split: str) -> Iterator[list[str]]:
    """The texts of a split in the order of writing, in lists; streaming, a row group in memory.

    Yields nothing for a split without documents. Raises UserError for a folder that holds no such split.
    """
    yield from _read_column(folder, split, "text")


def read_sources(folder: Path, split: str) -> Iterator[list[str]]:
    """The source of each text of a split, as `read_texts` gives these."""
    yield from _read_column(folder, split, "source")


def _read_column(folder: Path, split: str, name: str) -> Iterator[list[str]]:
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; {nearest(split, SPLITS)}")
    paths = document_files(folder, split)
    if not paths:
        raise UserError(f"{folder}: this is no corpus: it has no {DOCUMENTS}/{split}/{_PART}")
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=[name]):
                if batch.num_rows:
                    yield batch.column(0).to_pylist()
