"""The corpus on disk: a folder per split with Parquet files of id, source and text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acclimate.artifacts import durable
from acclimate.corpus.split import SPLITS
from acclimate.errors import UserError
from acclimate.recipe.settings import nearest

_SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.string())])
_GROUP_ROWS = 8192
_GROUP_CHARACTERS = 8_000_000
_BATCH = 512
_PART = "part-00000.parquet"


class SplitWriter:
    """Writes documents to the splits of a corpus folder; at most one row group for each is held in memory.

    Row groups depend on the documents alone, so the same documents give the same bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._writers: dict[str, Any] = {}
        self._rows: dict[str, tuple[list[str], list[str], list[str]]] = {}
        self._held: dict[str, int] = {}
        self.counts: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            place = durable.new_folder(folder / split) / _PART
            self._writers[split] = pq.ParquetWriter(place, _SCHEMA, compression="zstd")
            self._rows[split] = ([], [], [])
            self._held[split] = 0
            self.counts[split] = {"documents": 0, "bytes": 0, "characters": 0}

    def add(self, split: str, id: str, source: str, text: str) -> None:
        ids, sources, texts = self._rows[split]
        ids.append(id)
        sources.append(source)
        texts.append(text)
        size = len(text)
        counts = self.counts[split]
        counts["documents"] += 1
        counts["characters"] += size
        counts["bytes"] += size if text.isascii() else len(text.encode())
        self._held[split] += size
        if len(texts) >= _GROUP_ROWS or self._held[split] >= _GROUP_CHARACTERS:
            self._flush(split)

    def _flush(self, split: str) -> None:
        rows = self._rows[split]
        if rows[0]:
            self._writers[split].write_table(
                pa.table([pa.array(column, pa.string()) for column in rows], schema=_SCHEMA)
            )
        self._rows[split] = ([], [], [])
        self._held[split] = 0

    def close(self, *, finish: bool = True) -> None:
        """Writes what is held and closes the files; without `finish` they are only closed, after an error."""
        for split, writer in self._writers.items():
            if finish:
                self._flush(split)
            writer.close()


def read_texts(folder: Path, split: str) -> Iterator[list[str]]:
    """The texts of a split in the order of writing, in lists; streaming, a row group in memory.

    Yields nothing for a split without documents. Raises UserError for a folder that holds no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; {nearest(split, SPLITS)}")
    paths = sorted((Path(folder) / split).glob("part-*.parquet"))
    if not paths:
        raise UserError(f"{folder}: this is no corpus: it has no {split}/{_PART}")
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=["text"]):
                if batch.num_rows:
                    yield batch.column(0).to_pylist()
