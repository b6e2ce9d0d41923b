"""What batches of documents have in common with held-out texts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.document import comparable
from acclimate.corpus.hash_table import HashTable, RunHashes
from acclimate.corpus.leakage.held_out import Found, Match
from acclimate.corpus.leakage.index import HASH_BITS, SHORTEST, ContaminationIndex, shingle_keys
from acclimate.corpus.leakage.normal_form import normal_codes, original_spans, spelled
from acclimate.corpus.leakage.windows import Weights
from acclimate.corpus.words import words_in

_LISTED = 100
_Ints = NDArray[np.int64]


class Matcher:
    """Asks an index; stateless, so that documents may come in any batches."""

    def __init__(self, index: ContaminationIndex, near: float) -> None:
        """`near`: the Jaccard similarity of shingle sets from which on a document nearly equals a text."""
        self._index = index
        self._near = near
        self._tables = {
            name: HashTable(index.arrays[f"{name}_hash"]) for name in ("whole", "window", "head", "shingle")
        }
        self._whole = np.zeros(len(index.forms), np.uint64)
        self._whole[index.arrays["whole_form"]] = index.arrays["whole_hash"]

    def __call__(self, texts: Sequence[str]) -> dict[int, Found]:
        """Number of the text → what was found in it; texts with nothing in common are left out."""
        batch = _Batch(texts)
        equal, near = self._equal(batch), self._near_ones(batch)
        parts = self._parts(batch).ordered()
        edges = np.searchsorted(parts.starts, batch.runs.bounds)
        found = {}
        for number in sorted({*equal, *near, *np.flatnonzero(np.diff(edges)).tolist()}):
            own = _Parts(*(column[edges[number] : edges[number + 1]] for column in parts))
            one = self._found(batch, number, equal.get(number, []), near.get(number, _NOT_NEAR), own)
            if one is not None:
                found[number] = one
        return found

    def _equal(self, batch: _Batch) -> dict[int, list[int]]:
        """Document → the forms that it equals."""
        bounds = batch.runs.bounds
        filled = np.flatnonzero(np.diff(bounds))
        which, places = self._tables["whole"].find(batch.runs.of(bounds[filled], bounds[filled + 1]))
        equal = {}
        for number in np.flatnonzero(np.diff(bounds) == 0).tolist():
            if (form := comparable(batch.form(number))) in self._index.bare:
                equal[number] = self._index.bare[form]
        for number, place in zip(filled[which].tolist(), places.tolist(), strict=True):
            forms = self._behind("whole", place, "whole_form")
            words = batch.spelled(int(bounds[number]), int(bounds[number + 1]))
            equal[number] = [form for form in forms if self._spelled(form, 0, len(words)) == words]
        return equal

    def _behind(self, table: str, place: int, column: str) -> list[int]:
        """What stands behind all hashes that equal the one at this place."""
        hashes = self._tables[table].values
        end = int(np.searchsorted(hashes, hashes[place], side="right"))
        return self._index.arrays[column][place:end].tolist()  # type: ignore[no-any-return]

    def _near_ones(self, batch: _Batch) -> dict[int, _Near]:
        """Document → the forms that it nearly equals. Exact but for colliding hashes."""
        keys = shingle_keys(batch.runs)
        owners = (keys >> HASH_BITS).astype(np.int64)
        sizes = np.bincount(owners, minlength=len(batch.texts))
        which, places = self._tables["shingle"].find(keys << np.uint64(12))
        shared = np.bincount(owners[which], minlength=len(batch.texts))
        # Of the union of both sets, and so of the document's own, at least the share `near` is in a text's.
        possible = np.flatnonzero((shared > 0) & (shared >= self._near * sizes))
        edges = np.searchsorted(owners[which], np.stack([possible, possible + 1]))
        near = {}
        for number, start, end in zip(possible.tolist(), *edges.tolist(), strict=True):
            forms = self._all_behind("shingle", places[start:end], "shingle_form")[1]
            forms, common = np.unique(forms, return_counts=True)
            similarities = common / (sizes[number] + self._index.arrays["shingles"][forms] - common)
            enough = similarities >= self._near
            if enough.any():
                near[number] = _Near(forms[enough], similarities[enough])
        return near

    def _all_behind(self, table: str, places: _Ints, column: str) -> tuple[_Ints, NDArray[Any]]:
        """(which of the places, what stands behind it), for each place all that stands behind equal hashes."""
        hashes = self._tables[table].values
        counts = np.searchsorted(hashes, hashes[places], side="right") - places
        which = np.repeat(np.arange(len(places)), counts)
        offsets = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self._index.arrays[column][places[which] + offsets]

    def _parts(self, batch: _Batch) -> _Parts:
        """Runs of words that stand in a form too: windows, and whole forms shorter than a window."""
        arrays = self._index.arrays
        weights = Weights(batch.words, batch.runs, per_window=self._index.per_window)
        windows = weights.windows()
        which, places = self._tables["window"].find(windows.hashes)
        words = arrays["window_word"][places]
        forms = np.searchsorted(arrays["bounds"], words, side="right") - 1
        at = words - arrays["bounds"][forms]
        parts = _Parts(windows.starts[which], windows.ends[which], forms, at, places)
        if not len(self._tables["head"]):
            return parts
        heads = weights.windows(SHORTEST)
        which, places = self._tables["head"].find(heads.hashes)
        again, forms = self._all_behind("head", places, "head_form")
        starts = heads.starts[which[again]]
        ends = starts + np.diff(arrays["bounds"])[forms]
        inside = np.flatnonzero(ends <= batch.runs.bounds[1:][batch.runs.owners[starts]])
        same = inside[batch.runs.of(starts[inside], ends[inside]) == self._whole[forms[inside]]]
        nothing = np.zeros(len(same), np.int64)
        short = _Parts(starts[same], ends[same], forms[same], nothing, nothing - 1)
        both = (np.concatenate(pair) for pair in zip(parts, short, strict=True))
        return _Parts(*both)

    def _same_words(self, batch: _Batch, parts: _Parts) -> _Parts:
        """The runs whose words are the form's, letter by letter."""
        # Windows that move on together are compared together.
        apart = np.diff(parts.starts) != 1
        for column, step in ((parts.forms, 0), (parts.at, 1)):
            apart |= np.diff(column) != step
        apart |= (np.diff(parts.ends) < 0) | (parts.places[1:] < 0)
        edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(parts.starts)]
        same = np.zeros(len(parts.starts), np.bool_)
        for first, behind in pairwise(edges):
            if behind > first:
                words = batch.spelled(int(parts.starts[first]), int(parts.ends[behind - 1]))
                form = self._spelled(int(parts.forms[first]), int(parts.at[first]), len(words))
                same[first:behind] = words == form
        return _Parts(*(column[same] for column in parts))

    def _holders(self, parts: _Parts) -> tuple[_Ints, _Ints]:
        """(numbers of parts in order, forms that hold them): all of them for every part unlike those before it."""
        short = np.flatnonzero(parts.places < 0)
        windows = np.flatnonzero(parts.places >= 0)
        places, firsts = np.unique(parts.places[windows], return_index=True)
        which, words = self._all_behind("window", places, "window_word")
        forms = np.searchsorted(self._index.arrays["bounds"], words, side="right") - 1
        numbers = np.concatenate([windows[firsts][which], short])
        order = np.argsort(numbers, kind="stable")
        return numbers[order], np.concatenate([forms, parts.forms[short]])[order]

    def _spelled(self, form: int, first: int, count: int) -> tuple[str, ...]:
        """So many words of a form."""
        start, end = self._index.arrays["bounds"][form : form + 2].tolist()
        places = self._index.arrays["places"][start + first : min(start + first + count + 1, end)].tolist()
        text = self._index.forms[form]
        return spelled(text, places if len(places) > count else [*places, len(text)])

    def _found(
        self, batch: _Batch, number: int, equal: list[int], near: _Near, parts: _Parts
    ) -> Found | None:
        numbers = self._index.arrays["text"]
        found: dict[int, Match] = {}
        for form in equal:
            text = int(numbers[form])
            found.setdefault(text, Match("equal", text, 1.0, ""))
        for form, similarity in zip(near.forms[:_LISTED].tolist(), near.similarities.tolist(), strict=False):
            text = int(numbers[form])
            found.setdefault(text, Match("near", text, similarity, ""))
        parts = self._same_words(batch, parts)
        which, holders = self._holders(parts)
        texts, firsts = np.unique(numbers[holders], return_index=True)
        for text, first in zip(texts.tolist(), which[firsts].tolist(), strict=True):
            if len(found) >= _LISTED:
                break
            if text not in found:
                excerpt = batch.excerpt(int(parts.starts[first]), int(parts.ends[first]))
                found[text] = Match("holds", text, 0.0, excerpt)
        spans = _united(parts.starts, parts.ends)
        covered = sum(end - start for start, end in spans)
        num_words = int(batch.runs.bounds[number + 1] - batch.runs.bounds[number])
        every = sorted({*found, *numbers[near.forms].tolist(), *texts.tolist()})
        if not every:
            return None
        return Found(
            list(found.values()), every, batch.characters(number, spans), covered / max(1, num_words)
        )


class _Near(NamedTuple):
    """Forms that a document nearly equals."""

    forms: _Ints
    similarities: NDArray[np.float64]


_NOT_NEAR = _Near(np.zeros(0, np.int64), np.zeros(0))


class _Parts(NamedTuple):
    """Runs of words that documents and forms have in common, by start, end and form."""

    starts: _Ints
    ends: _Ints
    forms: _Ints
    """For a window the first of the forms that hold it."""
    at: _Ints
    """Where in the form's words."""
    places: _Ints
    """Where the window stands in its table; -1 for a whole form."""

    def ordered(self) -> _Parts:
        order = np.lexsort((self.forms, self.ends, self.starts))
        return _Parts(*(column[order] for column in self))


class _Batch:
    """Texts, their normal forms, their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self._codes, ends, self._plain = normal_codes(texts)
        self._before = np.append(0, ends)
        self.words = words_in(self._codes, ends)
        self.runs = RunHashes(self.words, len(texts))

    def form(self, number: int) -> str:
        """The normal form of a text."""
        start, end = self._before[number : number + 2].tolist()
        return self._codes[start : end - 1].tobytes().decode("utf-32-le", "surrogatepass")

    def _bounds(self, start: int, end: int) -> tuple[str, list[int]]:
        """(the form in which the words [start, end) stand, where they begin, and where the next one does or it ends)"""
        owner = int(self.runs.owners[start])
        form = self.form(owner)
        places = (self.words.starts[start:end] - self._before[owner]).tolist()
        last = end == self.runs.bounds[owner + 1]
        return form, [*places, len(form) if last else int(self.words.starts[end] - self._before[owner])]

    def spelled(self, start: int, end: int) -> tuple[str, ...]:
        """The words [start, end), which stand in one text."""
        return spelled(*self._bounds(start, end))

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the form from the first of these words to the end of the last."""
        form, bounds = self._bounds(start, end)
        return bounds[0], bounds[-2] + len(spelled(form, bounds[-2:])[0])

    def excerpt(self, start: int, end: int) -> str:
        """These words with what stands between them."""
        first, last = self.place(start, end)
        return self.form(int(self.runs.owners[start]))[first:last]

    def characters(self, number: int, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Spans of words of a text as spans of its characters."""
        places = [self.place(*span) for span in spans]
        return places if self._plain[number] or not spans else original_spans(self.texts[number], places)


def _united(starts: _Ints, ends: _Ints) -> list[tuple[int, int]]:
    """Runs that touch or overlap as one; they come by start."""
    spans: list[tuple[int, int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans
