"""Documents waiting on disk for the steps that must see all of them: duplicates, selection, mixing.

The texts are read in pieces and never mapped, so that the memory of the process stays flat. In memory are some 40
bytes a document: where its text and its place begin, its length, its source, the key of its split, whether it is
still alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from acclimate.corpus.cuts import Cuts, Span
from acclimate.corpus.document import text_digest
from acclimate.corpus.spill import Columns, Strings, as_column, digests_of
from acclimate.corpus.split import split_keys
from acclimate.progress import Tell

ROWS = 1024
BYTES = 4_000_000
_PENDING = 4096
Features = Mapping[str, NDArray[np.uint64]]


@dataclass(frozen=True, slots=True)
class PooledDocument:
    """A document of the pool, its text as it stands after what was cut out of it."""

    number: int
    """Its place in reading order, from 0; what the pool's arrays are indexed by."""
    source_number: int
    source: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class PooledDrop:
    """A document that a global step has dropped."""

    document: PooledDocument
    """Its text is left out."""
    id: bytes
    """Of its text when it came into the pool."""
    read_id: bytes
    """Of its text as it was read."""
    reason: str
    detail: str


class GlobalStep(Protocol):
    """A step that must see the whole corpus. What it does not want it drops from the pool, or cuts."""

    def __call__(self, pool: Pool, tell: Tell) -> dict[str, Any] | None:
        """What it returns goes into the statistics."""
        ...


class Describing(GlobalStep, Protocol):
    """A global step that wants some numbers for each text, worked out where the text is at hand: in the workers."""

    name: str
    width: int

    def describe(self, texts: Sequence[str]) -> NDArray[np.uint64]:
        """[D, width]; a function of each text alone."""
        ...


class Pool:
    """Add everything, `seal`, then let the steps work on it."""

    def __init__(
        self,
        folder: Path,
        describing: Sequence[Describing] = (),
        *,
        on_drop: Callable[[list[PooledDrop]], None] = lambda drops: None,
    ) -> None:
        self.folder = folder
        self._on_drop = on_drop
        self._open = ExitStack()
        self._texts = Strings(folder, self._open)
        self._places = Strings(folder, self._open)
        self._digests = Columns(folder, 4, self._open)
        self._features = {one.name: Columns(folder, one.width, self._open) for one in describing}
        self._parts: list[tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.uint64]]] = []
        self._cuts = Cuts()
        self._pending: list[tuple[int, str, str]] = []
        self.source_numbers: NDArray[np.int32] = np.zeros(0, np.int32)
        """[N] which source each document comes from."""
        self.characters: NDArray[np.int64] = np.zeros(0, np.int64)
        """[N] lengths of the texts; `cut` keeps them right."""
        self.keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        """[N] what decides the split: documents with the same key fall on one side. A step may set them."""
        self.copies: NDArray[np.int32] | None = None
        """[N] how often each is written, once where a step does not say."""
        self.alive: NDArray[np.bool_] = np.zeros(0, np.bool_)
        """[N] whether each is still in the corpus. `drop` changes it."""

    def add(self, source_number: int, documents: Any, features: Features) -> None:
        """Documents of one source in reading order, with the columns of `sieve.DOCUMENTS`."""
        texts = documents.column("text")
        self._texts.add(texts)
        self._places.add(
            pc.binary_join_element_wise(
                documents["source"], documents["place"], pa.scalar("\0", pa.large_string())
            )
        )
        self._digests.add(
            np.concatenate([digests_of(documents["id"]), digests_of(documents["read_id"])], axis=1)
        )
        for name, columns in self._features.items():
            columns.add(features[name])
        characters = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        numbers = np.full(documents.num_rows, source_number, np.int32)
        self._parts.append((numbers, characters, split_keys(digests_of(documents["key"]))))

    def seal(self) -> Pool:
        """Ends the adding; the pool itself."""
        self._texts.seal()
        self._places.seal()
        for columns in (self._digests, *self._features.values()):
            columns.seal()
        if self._parts:
            numbers, characters, keys = zip(*self._parts, strict=True)
            self.source_numbers, self.characters = np.concatenate(numbers), np.concatenate(characters)
            self.keys = np.concatenate(keys)
            self._parts = []
        self.alive = np.ones(len(self.characters), np.bool_)
        return self

    def close(self) -> None:
        """Gives the disk back."""
        self._open.close()

    def __len__(self) -> int:
        return len(self.alive)

    def batches(self) -> Iterator[list[PooledDocument]]:
        """All that are still alive, in reading order, in lists of bounded size."""
        for start, end in self._texts.pieces(ROWS, BYTES):
            alive = np.flatnonzero(self.alive[start:end]).tolist()
            if alive:
                texts = self._texts.array(start, end).to_pylist()
                places = self._places.array(start, end).to_pylist()
                yield [self._document(start + row, places[row], texts[row]) for row in alive]

    def _document(self, number: int, place: str, text: str) -> PooledDocument:
        source, _, place = place.partition("\0")
        text = self._cuts.apply(number, text)
        return PooledDocument(number, int(self.source_numbers[number]), source, place, text)

    def document(self, number: int) -> PooledDocument:
        """One document, alive or not."""
        return self._document(number, self._places.one(number), self._texts.one(number))

    def texts(self, numbers: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The texts of these documents, alive or not, in this order."""
        return [self._cuts.apply(int(number), self._texts.one(int(number))) for number in numbers]

    def feature(self, name: str, column: int) -> NDArray[np.uint64]:
        """[N] one of the numbers that a step had worked out for each text."""
        return self._features[name].read(column)

    def drop(self, number: int, reason: str, detail: str) -> None:
        """The document leaves the corpus, and stands in the books with this reason."""
        if not self.alive[number]:
            raise ValueError(f"document {number} was dropped before")
        self.alive[number] = False
        self._pending.append((number, reason, detail))
        if len(self._pending) >= _PENDING:
            self.book()

    def book(self) -> None:
        """Hands on what was dropped since the last time."""
        drops = []
        for number, reason, detail in self._pending:
            digests = self._digests.rows(number, number + 1).tobytes()
            document = self._document(number, self._places.one(number), "")
            drops.append(PooledDrop(document, digests[:16], digests[16:], reason, detail))
        self._pending = []
        if drops:
            self._on_drop(drops)

    def cut(self, number: int, spans: list[Span]) -> None:
        """Takes the characters [start, end) out of the text, as it stands now, wherever it is read from then on."""
        size = int(self.characters[number])
        if any(not 0 <= start <= end <= size for start, end in spans):
            raise ValueError(f"document {number} has {size} characters, asked to cut {spans}")
        self.characters[number] -= self._cuts.add(number, spans)

    def kept(self) -> Iterator[tuple[NDArray[np.int64], Any]]:
        """(numbers, columns source, text, id) of all that are alive, in reading order, ready to be written.

        A text that something was cut out of has the id of what is left.
        """
        for start, end in self._texts.pieces(ROWS, BYTES):
            rows = np.flatnonzero(self.alive[start:end])
            if not len(rows):
                continue
            numbers = start + rows
            texts = self._texts.array(start, end).take(pa.array(rows))
            places = self._places.array(start, end).take(pa.array(rows)).to_pylist()
            ids = as_column(self._digests.rows(start, end)[rows, :2])
            if self._cuts.any(numbers):
                left = [
                    self._cuts.apply(*one) for one in zip(numbers.tolist(), texts.to_pylist(), strict=True)
                ]
                texts = pa.array(left, pa.large_string())
                ids = pa.array([text_digest(text) for text in left], pa.binary(16))
            sources = pa.array([place.partition("\0")[0] for place in places], pa.large_string())
            yield numbers, pa.record_batch([sources, texts, ids], names=["source", "text", "id"])

    @property
    def repeated(self) -> int:
        """How many documents are written beyond the first time."""
        return 0 if self.copies is None else int((self.copies[self.alive] - 1).sum())

    @property
    def was_cut(self) -> bool:
        """Whether anything was cut out of any text."""
        return len(self._cuts) > 0
