"""The domain's text as a tokenizer cuts it: kinds of words with their counts, and the pieces of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.progress import Tell
from acclimate.tokenizer.words import count_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HAN = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef"
_COARSE = re.compile(rf" ?[{HAN}]+| ?[^\W{HAN}]+| ?[^\w\s]+")
_HAN_RUN = re.compile(rf" ?[{HAN}]+")
_AT_ONCE = 4_096
GAP = -1
"""Stands between two stretches of pieces that no token may join."""

Pieces = tuple[int, ...]


@dataclass(frozen=True)
class Kinds:
    """The different words of a text, each with the space before it where there was one, and how often it occurs.

    Runs of Han are one word each: nothing in the text tells where words begin in them.
    """

    texts: list[str]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterator[list[str]], tell: Tell) -> Kinds:
        """In alphabetical order; memory is bounded as `count_words` says."""
        words = count_words(texts, _COARSE, lambda word: (word,), tell)
        ordered = sorted(words)
        return cls(ordered, np.array([words[word] for word in ordered], dtype=np.int64))


@dataclass
class Cut:
    """A text as pieces."""

    words: Counter[Pieces] = field(default_factory=Counter)
    """Words outside Han runs, by their pieces."""
    han: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[T] pieces of all runs of Han, with gaps between what cannot be joined."""
    weights: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[T] how often the run occurs that each stands in."""
    unknown: Counter[str] = field(default_factory=Counter)
    """What the tokenizer has no piece for, as its model would see it."""
    used: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """[ids] how often each id occurs in the text."""

    def tokens(self) -> int:
        """Pieces of the whole text."""
        return int(self.used.sum())

    def sequences(self, *, least: int, longest: int) -> Counter[Pieces]:
        """Sequences of 2 to `longest` pieces inside runs of Han that occur at least `least` times.

        Level by level: a sequence is looked at only where the two shorter ones in it are frequent.
        """
        found: Counter[Pieces] = Counter()
        alive = self.han != GAP
        code = np.where(alive, self.han, 0)
        spelt: list[Pieces] = []
        kinds = int(code.max(initial=0)) + 1
        for length in range(2, longest + 1):
            at = np.flatnonzero(alive[:-1] & alive[1:])
            if not len(at):
                break
            keys = code[at] * kinds + self.han[at + length - 1]
            unique, where = np.unique(keys, return_inverse=True)
            counts = np.bincount(where, weights=self.weights[at]).astype(np.int64)
            kept = np.flatnonzero(counts >= least)
            before = spelt
            spelt = []
            for number in kept.tolist():
                head, tail = divmod(int(unique[number]), kinds)
                sequence = (*(before[head] if before else (head,)), tail)
                spelt.append(sequence)
                found[sequence] = int(counts[number])
            renumbered = np.full(len(unique), GAP, dtype=np.int64)
            renumbered[kept] = np.arange(len(kept))
            alive, code = np.zeros(len(self.han), bool), np.zeros(len(self.han), np.int64)
            frequent = renumbered[where] != GAP
            alive[at[frequent]] = True
            code[at[frequent]] = renumbered[where][frequent]
        return found


def cut(backend: Tokenizer, kinds: Kinds, *, unknown: int | None, across: bool) -> Cut:
    """The kinds as pieces. `across`: Han characters stand alone in this tokenizer, and may be joined all the same."""
    result = Cut(used=np.zeros(backend.get_vocab_size(), np.int64))
    han: list[int] = []
    weights: list[int] = []
    for start in range(0, len(kinds.texts), _AT_ONCE):
        texts = kinds.texts[start : start + _AT_ONCE]
        counts = kinds.counts[start : start + _AT_ONCE].tolist()
        ids_seen: list[int] = []
        ids_weight: list[int] = []
        encodings = backend.encode_batch(texts, add_special_tokens=False)
        for text, count, encoding in zip(texts, counts, encodings, strict=True):
            is_han = bool(_HAN_RUN.fullmatch(text))
            for begin, end in _stretches(encoding.word_ids, joined=is_han and across):
                ids = encoding.ids[begin:end]
                if unknown is not None and unknown in ids:
                    for surface in _unknown(backend, text, encoding, range(begin, end), unknown):
                        result.unknown[surface] += count
                if is_han:
                    row = [GAP if id == unknown else id for id in ids] + [GAP]
                    han += row
                    weights += [count] * len(row)
                else:
                    result.words[tuple(ids)] += count
            ids_seen += encoding.ids
            ids_weight += [count] * len(encoding.ids)
        result.used += np.bincount(ids_seen, ids_weight, len(result.used)).astype(np.int64)
    result.han, result.weights = np.array(han, np.int64), np.array(weights, np.int64)
    return result


def _stretches(words: list[int | None], *, joined: bool) -> Iterable[tuple[int, int]]:
    """(first, end) of the pieces of each word; of all of them at once when they may be joined."""
    if joined:
        return [(0, len(words))] if words else []
    edges = [n for n in range(1, len(words)) if words[n] != words[n - 1] or words[n] is None]
    return zip([0, *edges], [*edges, len(words)], strict=True) if words else []


def _unknown(backend: Tokenizer, text: str, encoding: object, places: range, unknown: int) -> list[str]:
    surfaces = []
    for place in places:
        if encoding.ids[place] == unknown:  # type: ignore[attr-defined]
            first, last = encoding.offsets[place]  # type: ignore[attr-defined]
            surface = text[first:last]
            normalizer = backend.normalizer
            surfaces.append((normalizer.normalize_str(surface) if normalizer else surface).strip())
    return surfaces
