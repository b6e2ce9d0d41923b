"""Repeated substrings: runs of 50 words or more that stood in the corpus before (Lee et al. 2022).

A word is a run of letters and digits, in scripts without spaces one character (see `words.py`): case, punctuation and
white space do not count. Exact: the hashes of all runs of that length are sorted on disk, those that occur twice are
looked up in a second reading, and a second, independent hash must agree.

Disk: 8 bytes a word, and 16 for each different repeated run. Memory: some 100 MB, and 24 bytes for each span that is
cut.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts.durable import scratch_file
from acclimate.corpus.duplicates.repeated_hashes import RepeatedHashes
from acclimate.corpus.hash_table import HashTable, RunHashes
from acclimate.corpus.pool import Pool, PooledDocument
from acclimate.corpus.words import Words, words_of
from acclimate.progress import Tell

REASON = "repeated_substrings"
_EXAMPLES = 20
_OTHER_BASE = 0xD6E8FEB86659FD93
_Ints = NDArray[np.int64]


class RepeatedSubstrings:
    """Takes out what stood before, or drops documents of which too much did. Documents count in reading order."""

    name = "substrings"

    def __init__(self, *, words: int, action: Literal["cut", "drop"], limit: float) -> None:
        """`words`: the shortest run; `limit`: with `drop`, the greatest share of a document's words in such runs."""
        self._words = words
        self._action = action
        self._limit = limit
        self._said: dict[str, Any] = {}

    def __call__(self, pool: Pool, tell: Tell) -> dict[str, Any]:
        """Where something is cut out, what stood apart stands together: it goes on until nothing is repeated."""
        self._said = {"documents_cut": 0, "characters_cut": 0, "passes": 0, "examples": []}
        cut = True
        while cut:
            self._said["passes"] += 1
            with ExitStack() as stack:
                seen = self._repeated(pool, tell, stack)
                cut = seen is not None and self._pass(pool, seen, tell)
        return self._said

    def _repeated(self, pool: Pool, tell: Tell, stack: ExitStack) -> _Seen | None:
        """The runs that occur more than once; None when there are none."""
        hashes = RepeatedHashes(stack.enter_context(scratch_file(pool.folder)))
        for batch, _, runs in _hashed(pool):
            hashes.add(runs.every(self._words)[1])
            tell(batch[-1].number + 1, len(pool), "documents")
        target = stack.enter_context(scratch_file(pool.folder))
        if not hashes.write_repeated(target):
            return None
        return _Seen(target, stack.enter_context(scratch_file(pool.folder)))

    def _pass(self, pool: Pool, seen: _Seen, tell: Tell) -> bool:
        """Goes through the documents in order; whether something was cut."""
        cuts = array("q")
        for batch, words, runs in _hashed(pool):
            starts, hashes = runs.every(self._words)
            which, classes = seen.table.find(hashes)
            starts = starts[which]
            edges = np.searchsorted(starts, runs.bounds)
            if not len(starts):
                continue
            others = RunHashes(words, len(batch), base=_OTHER_BASE).of(starts, starts + self._words)
            before = list(accumulate((len(one.text.casefold()) + 1 for one in batch), initial=0))
            for row in np.flatnonzero(np.diff(edges)).tolist():
                part = slice(edges[row], edges[row + 1])
                first, behind = runs.bounds[row : row + 2].tolist()
                document = _Runs(
                    batch[row], starts[part] - first, classes[part], others[part], behind - first
                )
                if self._action == "drop":
                    self._judge(pool, document, seen)
                else:
                    bounds = _bounds(batch[row].text, words.starts[first:behind] - before[row])
                    for start, end in self._cut(pool, document, seen):
                        cuts.extend((batch[row].number, bounds[start], bounds[end]))
            tell(batch[-1].number + 1, len(pool), "documents")
        rows = np.array(cuts, np.int64).reshape(-1, 3)
        self._said["characters_cut"] += int((rows[:, 2] - rows[:, 1]).sum())
        for spans in np.split(rows, np.flatnonzero(np.diff(rows[:, 0])) + 1) if len(rows) else []:
            pool.cut(int(spans[0, 0]), [(start, end) for _, start, end in spans.tolist()])
        return bool(len(rows))

    def _judge(self, pool: Pool, document: _Runs, seen: _Seen) -> None:
        owners = seen.owners(document)
        spans = document.repeated(owners, self._words)
        share = sum(end - start for start, end in spans) / document.size
        if share > self._limit:
            detail = f"{share:.0%} of its {document.size:,} words stood before, most of them in "
            pool.drop(document.pooled.number, REASON, detail + _named(pool, document, owners))
        else:
            seen.note(document, owners, np.ones(len(owners), np.bool_))

    def _cut(self, pool: Pool, document: _Runs, seen: _Seen) -> list[tuple[int, int]]:
        """The words to cut; runs that stay whole are what later documents repeat."""
        owners = seen.owners(document)
        spans = document.repeated(owners, self._words)
        gone = np.zeros(document.size + 1, np.int64)
        for start, end in spans:
            gone[start + 1 : end + 1] = 1
        gone = np.cumsum(gone)
        seen.note(document, owners, gone[document.starts + self._words] == gone[document.starts])
        if gone[-1] == document.size:
            detail = "all of it stood before, most of it in "
            pool.drop(document.pooled.number, REASON, detail + _named(pool, document, owners))
            return []
        if spans:
            self._tell_of(pool, document, owners, int(gone[-1]))
        return spans

    def _tell_of(self, pool: Pool, document: _Runs, owners: _Ints, num_words: int) -> None:
        self._said["documents_cut"] += 1
        if len(self._said["examples"]) < _EXAMPLES:
            self._said["examples"].append(
                {
                    "place": document.pooled.place,
                    "words_cut": num_words,
                    "also_in": _named(pool, document, owners),
                }
            )


def _hashed(pool: Pool) -> Iterator[tuple[list[PooledDocument], Words, RunHashes]]:
    for batch in pool.batches():
        words = words_of([document.text for document in batch])
        yield batch, words, RunHashes(words, len(batch))


def _named(pool: Pool, document: _Runs, owners: _Ints) -> str:
    """The document in which most of the repeated runs stood before."""
    others = owners[owners >= 0]
    if not len(others):
        return "the document itself"
    return pool.document(int(np.bincount(others).argmax())).place


@dataclass(frozen=True)
class _Runs:
    """The runs of one document that occur more than once in the corpus."""

    pooled: PooledDocument
    starts: _Ints
    """[R] first words."""
    classes: _Ints
    """[R] equal for equal runs."""
    others: NDArray[np.uint64]
    """[R] hashes of the second kind."""
    size: int
    """Words of the document."""

    def repeated(self, owners: _Ints, length: int) -> list[tuple[int, int]]:
        """The words in runs that stood before, in documents (`owners` [R], -1 for none) or earlier in this one. The
        first occurrence stays, where a run overlaps it too."""
        _, firsts, inverse = np.unique(self.others, return_index=True, return_inverse=True)
        first = self.starts[firsts][inverse]
        begins = np.where(owners >= 0, self.starts, np.maximum(self.starts, first + length))
        ends = self.starts + length
        spans: list[tuple[int, int]] = []
        again = (owners >= 0) | (self.starts > first)
        for start, end in sorted(zip(begins[again].tolist(), ends[again].tolist(), strict=True)):
            if spans and start <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(end, spans[-1][1])
            else:
                spans.append((start, end))
        return spans


class _Seen:
    """For each run that occurs more than once: which document had it first, and its hash of the second kind. On disk,
    mapped."""

    def __init__(self, hashes: IO[bytes], notes: IO[bytes]) -> None:
        self.table = HashTable(np.frombuffer(mmap.mmap(hashes.fileno(), 0, prot=mmap.PROT_READ), np.uint64))
        notes.truncate(8 * len(self.table))
        self._notes = np.frombuffer(mmap.mmap(notes.fileno(), 0), np.uint64)
        """[R] upper half: half of the second hash; lower half: number of the document and 1, or 0."""

    def owners(self, runs: _Runs) -> _Ints:
        """[R] the document that had each run first, -1 for none. Runs that only share the first hash have none."""
        notes = self._notes[runs.classes]
        low = np.uint64(0xFFFFFFFF)
        same = (notes >> np.uint64(32)) == (runs.others >> np.uint64(32))
        return np.where(same, (notes & low).astype(np.int64) - 1, -1)

    def note(self, runs: _Runs, owners: _Ints, whole: NDArray[np.bool_]) -> None:
        """The document has these runs first, where none had them and `whole`."""
        classes = runs.classes
        new = whole & (owners < 0) & (self._notes[classes] == 0)
        high = runs.others[new] >> np.uint64(32) << np.uint64(32)
        self._notes[classes[new]] = high | np.uint64(runs.pooled.number + 1)


def _bounds(text: str, starts: _Ints) -> list[int]:
    """Where words begin in a text, which begin at `starts` in its casefolded form; and its end."""
    if len(text.casefold()) != len(text):  # some characters become several
        folded = list(accumulate((len(char.casefold()) for char in text), initial=0))
        starts = np.searchsorted(folded, starts, side="right") - 1
    return [*starts.tolist(), len(text)]
