"""Pairs of texts that belong together: read from records of any reader, told apart into parts, all of them booked.

Texts wait on disk; in memory are some 50 bytes a pair: two keys, where its texts begin, its reader, its part.

Legend: N pairs in reading order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acclimate.corpus.accounting import Account
from acclimate.corpus.document import ONE_LENGTH, Dropped, Reader, Record, find_column
from acclimate.corpus.spill import Strings
from acclimate.corpus.split import SPLITS, split_hash, splits_of
from acclimate.errors import UserError
from acclimate.progress import Tell, silent

_BATCH = 2048
_GONE = -1


class AlignedPairs:
    """Read every source, `settle`, then take the texts of each part."""

    def __init__(
        self,
        sources: Sequence[tuple[str, Reader]],
        columns: tuple[str | int, str | int],
        folder: Path,
        stack: ExitStack,
        tell: Tell = silent,
        mark: tuple[str | int, Callable[[str], float | None]] | None = None,
    ) -> None:
        """sources: (part, reader) each; `columns` hold the two texts of a record. mark: the column of a label or score,
        and the number that it means; None means nothing, and the pair is dropped (`no_mark`).

        Raises UserError when no record of a source has both columns, and when files that should be aligned by line are
        not of one length: of pairs after a lost line nobody knows whether they belong together.
        """
        self._columns = columns
        self._mark = mark
        self._meant: list[float] = []
        self._texts = Strings(folder, stack), Strings(folder, stack)
        self._places = Strings(folder, stack)
        self.account = Account(reader.name for _, reader in sources)
        keys, origins, parts = [], [], []
        for number, (part, reader) in enumerate(sources):
            own = list(self._read(number, reader, tell))
            keys += own
            size = sum(map(len, own))
            origins.append(np.full(size, number, np.int32))
            parts.append(np.full(size, SPLITS.index(part), np.int8))
        for strings in (*self._texts, self._places):
            strings.seal()
        self._keys = np.concatenate([np.empty((0, 2), np.uint64), *keys])
        self._origin = np.concatenate(origins)
        self._part = np.concatenate(parts)
        self._marks = np.array(self._meant, np.float64)

    def _read(self, number: int, reader: Reader, tell: Tell) -> Iterator[NDArray[np.uint64]]:
        """Keys [n, 2] of the pairs of each batch, whose texts are put away."""
        items = reader.records()
        found, seen = 0, 0
        example: Record | None = None
        while batch := list(islice(items, _BATCH)):
            pairs, dropped = [], []
            for item in batch:
                one = item if isinstance(item, Dropped) else self._pair(item)
                if isinstance(one, Dropped):
                    dropped.append(one)
                    if one.reason == "missing_column" and isinstance(item, Record):
                        example = example or item
                    if one.reason == "unaligned":
                        raise UserError(f"{one.place}: {one.detail}; {ONE_LENGTH}")
                else:
                    pairs.append(one)
            self.account.sources[number].read += len(batch)
            self._book(number, dropped)
            if pairs:
                found += len(pairs)
                yield self._put(pairs)
            seen += len(batch)
            tell(seen, None, "pairs")
        if example is not None and not found:
            named = " and ".join(repr(one) for one in self._columns)
            raise UserError(
                f"{example.place}: no record has the columns {named}; this one has: {', '.join(example.fields)}"
            )

    def _pair(self, record: Record) -> tuple[str, str, str] | Dropped:
        """(source, target, place); the mark is put away."""
        texts = []
        for column in self._columns:
            name = find_column(record.fields, column)
            if name is None:
                return Dropped("missing_column", record.place, f"there is no column {column!r}")
            texts.append(record.fields[name])
        blank = [not text or text.isspace() for text in texts]
        if all(blank):
            return Dropped("empty", record.place, "both texts are blank")
        if any(blank):
            return Dropped("one_sided", record.place, f"column {self._columns[blank.index(True)]!r} is blank")
        if self._mark is not None:
            column, meaning = self._mark
            name = find_column(record.fields, column)
            if name is None:
                return Dropped("missing_column", record.place, f"there is no column {column!r}")
            meant = meaning(record.fields[name] or "")
            if meant is None:
                return Dropped("no_mark", record.place, f"column {column!r} says {record.fields[name]!r}")
            self._meant.append(meant)
        return texts[0], texts[1], record.place

    def _put(self, pairs: Sequence[tuple[str, str, str]]) -> NDArray[np.uint64]:
        for strings, column in zip((*self._texts, self._places), zip(*pairs, strict=True), strict=True):
            strings.add(pa.array(column, pa.large_string()))
        digests = b"".join(split_hash(text)[:8] for pair in pairs for text in pair[:2])
        return np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)

    def _book(self, number: int, dropped: Sequence[Dropped]) -> None:
        if dropped:
            columns = {
                name: [getattr(one, name) for one in dropped] for name in ("reason", "place", "detail")
            }
            self.account.drop(number, pa.RecordBatch.from_pydict(columns))

    def settle(self, validation: float, test: float) -> None:
        """Drops training pairs that came before, and those with a side that is held out; then holds out these shares.

        Pairs that share a side, directly or over others, stay in one part, which the first of them decides.
        """
        held = self._keys[self._part > 0]
        known = np.isin(self._keys[:, 0], held[:, 0]) | np.isin(self._keys[:, 1], held[:, 1])
        self.drop(np.flatnonzero((self._part == 0) & known), "in_held_out", "a side of it is held out")
        training = np.flatnonzero(self._part == 0)
        _, first = np.unique(self._keys[training], axis=0, return_index=True)
        repeated = np.setdiff1d(np.arange(len(training)), first)
        self.drop(training[repeated], "duplicate", "the pair stood before")
        training = np.flatnonzero(self._part == 0)
        if len(training) and validation + test > 0:
            leaders = training[_leaders(self._keys[training])]
            self._part[training] = splits_of(self._keys[leaders, 0], validation, test)

    def drop(self, numbers: NDArray[np.int64], reason: str, detail: str) -> None:
        """These pairs, which are still there, belong to no part any more."""
        for origin in np.unique(self._origin[numbers]).tolist():
            own = numbers[self._origin[numbers] == origin].tolist()
            self._book(origin, [Dropped(reason, self._places.one(number), detail) for number in own])
        self._part[numbers] = _GONE

    def numbers(self, part: str) -> NDArray[np.int64]:
        """[n] of the pairs of a part, ascending."""
        return np.flatnonzero(self._part == SPLITS.index(part))

    def texts(self, part: str, side: int) -> Iterator[list[str]]:
        """The sources (side 0) or targets (1) of a part, in reading order; unchanged by drops while it runs."""
        numbers = self.numbers(part)
        for start, end in self._texts[side].pieces(_BATCH, 4_000_000):
            first, last = np.searchsorted(numbers, [start, end])
            if first < last:
                own = pa.array(numbers[first:last] - start)
                yield self._texts[side].array(start, end).take(own).to_pylist()

    def marks(self, part: str) -> NDArray[np.float64] | None:
        """[n] of the pairs of a part; None without a column of marks."""
        return None if self._mark is None else self._marks[self.numbers(part)]

    def totals(self) -> dict[str, Any]:
        """`read`, `kept`, `dropped` by reason, `sources` with each one's own, `parts` with the pairs of each."""
        for number, source in enumerate(self.account.sources):
            source.kept = int(np.count_nonzero((self._part != _GONE) & (self._origin == number)))
        parts = {part: len(self.numbers(part)) for part in SPLITS}
        return {**self.account.totals(), "parts": parts}


def _leaders(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """[N] of each pair the first pair of its group: those tied by equal sides, directly or over others."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    (sources, source), (targets, target) = (np.unique(keys[:, side], return_inverse=True) for side in (0, 1))
    size = len(sources) + len(targets)
    ties = coo_matrix((np.ones(len(keys), np.int8), (source, target + len(sources))), shape=(size, size))
    _, group = connected_components(ties, directed=False)
    _, first, of_group = np.unique(group[source], return_index=True, return_inverse=True)
    return first[of_group]  # type: ignore[no-any-return]
