"""Documents waiting on disk until it is known which of them are near-duplicates.

An Arrow file holds the texts, their shingles and band hashes; it is mapped, not loaded. Memory for the
grouping is about 50 bytes a document, on disk a document takes its text, eight bytes a word and eight bytes a
band.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.corpus.duplicates.minhash import band_hashes, bands_for
from acclimate.corpus.duplicates.near import checked_threshold, gathered, group_similar
from acclimate.corpus.duplicates.shingles import Shingles, shingle_sets

_ROWS = 1024
_CHARACTERS = 4_000_000
HELD_OUT = -1
"""Source number of a text of a task, which no document may be near to."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A document that comes back from the pool."""

    source_number: int
    source: str
    place: str
    text: str
    group: int
    """Number of the first document of its group."""
    number: int
    near_task: bool
    """Whether a text of a task is in its group."""


class NearPool:
    """Add everything, then ask once for the documents with their groups."""

    def __init__(self, folder: Path, threshold: float) -> None:
        self._threshold = checked_threshold(threshold)
        self._bands = bands_for(threshold)
        fields = [
            ("number", pa.int32()),
            ("source", pa.string()),
            ("place", pa.string()),
            ("text", pa.large_string()),
        ]
        fields.append(("shingles", pa.large_list(pa.uint64())))
        self._schema = pa.schema(
            fields + [(f"band{index}", pa.uint64()) for index in range(self._bands.count)]
        )
        self._path = str(folder / "pool.arrow")
        self._sink = pa.OSFile(self._path, "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)
        self._rows: list[tuple[int, str, str, str]] = []
        self._held = 0

    def add(self, source_number: int, source: str, place: str, text: str) -> None:
        """Documents in reading order; texts of tasks under HELD_OUT, before all others."""
        self._rows.append((source_number, source, place, text))
        self._held += len(text)
        if len(self._rows) >= _ROWS or self._held >= _CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        numbers, sources, places, texts = zip(*self._rows, strict=True)
        shingles = shingle_sets(texts)
        hashes = band_hashes(shingles, self._bands)
        columns = [
            pa.array(numbers, pa.int32()),
            pa.array(sources, pa.string()),
            pa.array(places, pa.string()),
            pa.array(texts, pa.large_string()),
            pa.LargeListArray.from_arrays(pa.array(shingles.offsets), pa.array(shingles.hashes)),
            *(pa.array(hashes[:, index]) for index in range(self._bands.count)),
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self._rows.clear()
        self._held = 0

    def close(self) -> None:
        """Ends the adding; a second call does nothing."""
        if not self._sink.closed:
            self._writer.close()
            self._sink.close()

    def documents(self) -> Iterator[Pooled]:
        """Every document in the order of adding, texts of tasks left out. Closes the pool for adding."""
        self._flush()
        self.close()
        with pa.memory_map(self._path) as mapped:
            store = _Mapped(pa.ipc.open_file(mapped))
            groups = group_similar(store, self._threshold)
            # Texts of tasks have the lowest numbers, so a group with one of them is named after it.
            tasks = store.num_tasks
            number = 0
            for batch in store.batches():
                columns = [batch.column(name).to_pylist() for name in ("number", "source", "place", "text")]
                for source_number, source, place, text in zip(*columns, strict=True):
                    group = int(groups[number])
                    if source_number != HELD_OUT:
                        yield Pooled(source_number, source, place, text, group, number, group < tasks)
                    number += 1


class _Mapped:
    """The shingle store in a mapped Arrow file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._starts = [0]
        sizes = []
        self.num_tasks = 0
        for batch in self.batches():
            self._starts.append(self._starts[-1] + batch.num_rows)
            sizes.append(np.diff(batch.column("shingles").offsets.to_numpy()))
            self.num_tasks += int((batch.column("number").to_numpy() == HELD_OUT).sum())
        self._sizes = np.concatenate([np.zeros(0, dtype=np.int64), *sizes])

    def batches(self) -> Iterator[Any]:
        for index in range(self._file.num_record_batches):
            yield self._file.get_batch(index)

    def __len__(self) -> int:
        return self._starts[-1]

    def band(self, index: int) -> NDArray[np.uint64]:
        columns = [batch.column(f"band{index}").to_numpy() for batch in self.batches()]
        return np.concatenate([np.zeros(0, dtype=np.uint64), *columns])

    def sizes(self) -> NDArray[np.int64]:
        return self._sizes

    def sets(self, numbers: NDArray[np.int64]) -> Shingles:
        chunks = np.searchsorted(self._starts, numbers, side="right") - 1
        found: dict[int, tuple[NDArray[np.uint64], NDArray[np.int64]]] = {}
        for chunk in np.unique(chunks).tolist():
            column = self._file.get_batch(chunk).column("shingles")
            found[chunk] = column.values.to_numpy(), column.offsets.to_numpy()
        return gathered(
            found[chunk][0][slice(*found[chunk][1][number - self._starts[chunk] :][:2])]
            for chunk, number in zip(chunks.tolist(), numbers.tolist(), strict=True)
        )
