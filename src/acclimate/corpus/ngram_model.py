"""An n-gram language model over token ids: interpolated modified Kneser–Ney (Chen and Goodman 1999).

    p(w|h) = max(c(hw) − D, 0)/c(h·) + γ(h)·p(w|h'),   γ(h) = Σ_k D_k·N_k(h·)/c(h·)

h' is h without its first token; unigrams are mixed with 1/|V|. Of the longest n-grams c counts occurrences, of
shorter ones the different tokens to their left; n-grams that begin a sequence have nothing to their left and
keep their occurrences. D is D_1, D_2 or D_3 (three and more) of the n-gram's length, from counts of counts:
Y = n_1/(n_1+2n_2), D_k = k − (k+1)·Y·n_{k+1}/n_k.

An n-gram is known by the number of its beginning (an n-gram one shorter) and its last token: one exact integer,
held sorted, so that counting is `np.unique` and looking up is a binary search; there is no loop over tokens.
Training holds about 16·(order + 3) bytes a token; a trained model some 24 bytes a different n-gram.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.errors import UserError

Ids = NDArray[np.int64]
_FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where the counts of counts give none, as in a small or closed vocabulary."""
_FORMAT = "acclimate n-gram model 1"


@dataclass(frozen=True)
class _Level:
    """All n-grams of one length, sorted by key = number of the first n−1 tokens · (V+2) + last token."""

    keys: Ids
    log_probabilities: NDArray[np.float64]
    log_backoffs: NDArray[np.float64]
    """log γ of each n-gram as a history; 0 where nothing followed it."""

    def find(self, keys: Ids) -> Ids:
        """The number of each key, −1 where it is not there."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


class NgramModel:
    """Probabilities of ids 0 … vocab_size−1 and of the end of a sequence, which is the id `vocab_size`."""

    def __init__(
        self,
        levels: list[_Level],
        vocab_size: int,
        discounts: list[tuple[float, float, float]],
        fallback_orders: list[int],
    ) -> None:
        self._levels = levels
        self.vocab_size = vocab_size
        self.discounts = discounts
        """(D_1, D_2, D_3+) of each length, from unigrams on."""
        self.fallback_orders = fallback_orders
        """Lengths whose discounts are the stand-ins 0.5, 1 and 1.5, for want of rare n-grams."""

    @property
    def order(self) -> int:
        return len(self._levels)

    @property
    def sizes(self) -> list[int]:
        """How many n-grams of each length the model holds."""
        return [len(level.keys) for level in self._levels]

    @classmethod
    def train(
        cls, sequences: Iterable[Sequence[int] | NDArray[np.integer]], *, order: int, vocab_size: int
    ) -> NgramModel:
        """Counts the sequences; each is begun and ended on its own. Raises ValueError where there is none."""
        tokens = _framed(sequences, vocab_size)
        if len(tokens) == 0:
            raise ValueError("an n-gram model needs at least one sequence to count")
        counts = _count(tokens, order, vocab_size)
        discounts: list[tuple[float, float, float]] = []
        fallback: list[int] = []
        for n, (_, _, adjusted) in enumerate(counts, 1):
            # The begin mark is never predicted, so it is no unigram to be discounted.
            found = _discounts(adjusted[: vocab_size + 1] if n == 1 else adjusted)
            discounts.append(found or _FALLBACK)
            if found is None:
                fallback.append(n)
        return cls(_levels(counts, discounts, vocab_size), vocab_size, discounts, fallback)

    def log_probabilities(self, ids: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float64]:
        """[len(ids) + 1] natural log of p(id|what stands before it), and of the end, of one sequence."""
        return self.score([ids])[0]

    def score(self, sequences: Sequence[Sequence[int] | NDArray[np.integer]]) -> list[NDArray[np.float64]]:
        """`log_probabilities` of each sequence, all looked up together, which is faster."""
        tokens = _framed(sequences, self.vocab_size)
        lengths = np.fromiter((len(one) + 2 for one in sequences), dtype=np.int64, count=len(sequences))
        ends = np.cumsum(lengths)
        scores = self._score(tokens)
        return [scores[end - size + 1 : end] for end, size in zip(ends, lengths, strict=True)]

    def cross_entropy(self, ids: Sequence[int] | NDArray[np.integer]) -> float:
        """Mean negative log probability of a sequence and its end, in nats a token."""
        return float(-self.log_probabilities(ids).mean())

    def _score(self, tokens: Ids) -> NDArray[np.float64]:
        base = self.vocab_size + 2
        begin = self.vocab_size + 1
        found = tokens
        total = self._levels[0].log_probabilities[tokens]
        for shorter, level in zip(self._levels, self._levels[1:], strict=False):
            history = np.concatenate(([-1], found[:-1]))
            # A begin mark has no history: what stands before it is another sequence.
            known = np.flatnonzero((history >= 0) & (tokens != begin))
            history = history[known]
            at = level.find(history * base + tokens[known])
            backed_off = shorter.log_backoffs[history] + total[known]
            total[known] = np.where(at >= 0, level.log_probabilities[at], backed_off)
            found = np.full(len(tokens), -1, dtype=np.int64)
            found[known] = at
        return total

    def save(self, folder: Path) -> None:
        """Writes `model.json` and three arrays a level into the folder, which appears whole."""
        durable.replace_folder(folder, self._fill)

    def _fill(self, folder: Path) -> None:
        about = {
            "format": _FORMAT,
            "order": self.order,
            "vocab_size": self.vocab_size,
            "discounts": [list(one) for one in self.discounts],
            "fallback_orders": self.fallback_orders,
        }
        durable.write_json(folder / "model.json", about)
        for n, level in enumerate(self._levels, 1):
            for name in ("keys", "log_probabilities", "log_backoffs"):
                with durable.appender(folder / f"{n}.{name}.npy") as file:
                    np.save(file, getattr(level, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> NgramModel:
        """The model in a folder, its arrays mapped, so that processes share them. Raises UserError."""
        try:
            about = json.loads((folder / "model.json").read_text("utf-8"))
            if about.get("format") != _FORMAT:
                raise ValueError(f"format {about.get('format')!r}, expected {_FORMAT!r}")
            levels = [
                _Level(
                    *(
                        np.load(folder / f"{n}.{name}.npy", mmap_mode="r", allow_pickle=False)
                        for name in ("keys", "log_probabilities", "log_backoffs")
                    )
                )
                for n in range(1, int(about["order"]) + 1)
            ]
            discounts = [(float(a), float(b), float(c)) for a, b, c in about["discounts"]]
            return cls(levels, int(about["vocab_size"]), discounts, list(about["fallback_orders"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: no n-gram model can be read there: {error}") from error

    def write_arpa(self, path: Path, words: Sequence[str]) -> None:
        """The model as an ARPA file (log10), which KenLM and SRILM read; `words` names the ids."""
        if len(words) != self.vocab_size:
            raise ValueError(f"{len(words)} words for a vocabulary of {self.vocab_size}")
        names = [*words, "</s>", "<s>"]
        base = self.vocab_size + 2
        with durable.appender(path) as file:
            head = "".join(f"ngram {n}={size}\n" for n, size in enumerate(self.sizes, 1))
            file.write(f"\\data\\\n{head}".encode())
            grams: list[str] = []
            for n, level in enumerate(self._levels, 1):
                file.write(f"\n\\{n}-grams:\n".encode())
                last = level.keys % base
                if n == 1:
                    grams = list(names)
                else:
                    before = (level.keys // base).tolist()
                    grams = [f"{grams[one]} {names[w]}" for one, w in zip(before, last.tolist(), strict=True)]
                probabilities = np.maximum(level.log_probabilities / np.log(10), -99.0).tolist()
                backoffs = (level.log_backoffs / np.log(10)).tolist()
                for gram, probability, backoff in zip(grams, probabilities, backoffs, strict=True):
                    tail = "" if n == self.order or gram.endswith("</s>") else f"\t{backoff:.9g}"
                    file.write(f"{probability:.9g}\t{gram}{tail}\n".encode())
            file.write(b"\n\\end\\\n")


def _framed(sequences: Iterable[Sequence[int] | NDArray[np.integer]], vocab_size: int) -> Ids:
    """All sequences in one row, each between a begin mark and an end mark."""
    begin, end = np.array([vocab_size + 1]), np.array([vocab_size])
    pieces: list[NDArray[np.integer]] = []
    for one in sequences:
        pieces += (begin, np.asarray(one, dtype=np.int64), end)
    tokens = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)
    if len(tokens) and (tokens.min() < 0 or tokens.max() > vocab_size + 1):
        raise ValueError(f"ids must lie between 0 and {vocab_size - 1}")
    return tokens


_Counts = tuple[Ids, Ids, NDArray[np.float64]]
"""Of one length: sorted keys, the number of each n-gram's last n−1 tokens, adjusted counts."""


def _count(tokens: Ids, order: int, vocab_size: int) -> list[_Counts]:
    base, begin = vocab_size + 2, vocab_size + 1
    # Unigrams are their own numbers, present or not.
    keys: list[Ids] = [np.arange(base)]
    raw = [np.bincount(tokens, minlength=base)]
    suffixes: list[Ids] = [np.zeros(base, dtype=np.int64)]
    starts_sequence = [np.arange(base) == begin]
    number = tokens
    ends = np.arange(len(tokens))  # where the n-grams of the current length end
    for _ in range(1, order):
        # An n-gram lies within its sequence: it does not go on after a begin mark that is its last token.
        longer = ends[(ends > 0) & (tokens[ends] != begin)]
        longer = longer[number[longer - 1] >= 0]
        found, first, inverse, counts = np.unique(
            number[longer - 1] * base + tokens[longer],
            return_index=True, return_inverse=True, return_counts=True,
        )  # fmt: skip
        keys.append(found)
        raw.append(counts)
        suffixes.append(number[longer[first]])
        starts_sequence.append(starts_sequence[-1][found // base])
        number = np.full(len(tokens), -1, dtype=np.int64)
        number[longer] = inverse
        ends = longer
    adjusted = [
        np.where(starts, counts, np.bincount(above, minlength=len(counts)))
        for starts, counts, above in zip(starts_sequence, raw, suffixes[1:], strict=False)
    ] + [raw[-1]]
    adjusted[0][begin] = 0  # never predicted
    return [(k, s, a.astype(np.float64)) for k, s, a in zip(keys, suffixes, adjusted, strict=True)]


def _discounts(adjusted: NDArray[np.float64]) -> tuple[float, float, float] | None:
    n1, n2, n3, n4 = (int((adjusted == k).sum()) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return None
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if all(0 <= d <= k for k, d in enumerate(found, 1)) else None


def _levels(
    counts: list[_Counts], discounts: list[tuple[float, float, float]], vocab_size: int
) -> list[_Level]:
    """Probabilities from counts, the shortest first, for the longer ones are mixed with them."""
    base = vocab_size + 2
    probabilities: list[NDArray[np.float64]] = []
    backoffs: list[NDArray[np.float64]] = []
    for n, ((keys, suffixes, adjusted), three) in enumerate(zip(counts, discounts, strict=True), 1):
        discount = np.array([0.0, *three])[np.minimum(adjusted, 3).astype(np.int64)]
        if n == 1:
            total = adjusted.sum()
            gamma = discount.sum() / total
            known = np.where(np.arange(base) <= vocab_size, 1 / (vocab_size + 1), 0.0)
            probabilities.append((adjusted - discount) / total + gamma * known)
            continue
        history = keys // base
        size = len(probabilities[-1])
        totals = np.bincount(history, weights=adjusted, minlength=size)
        left = np.bincount(history, weights=discount, minlength=size)
        gammas = np.divide(left, totals, out=np.ones(size), where=totals > 0)
        backoffs.append(gammas)
        probabilities.append(
            (adjusted - discount) / totals[history] + gammas[history] * probabilities[-1][suffixes]
        )
    backoffs.append(np.ones(len(probabilities[-1])))
    with np.errstate(divide="ignore"):  # the begin mark has probability 0
        return [
            _Level(keys, np.log(p), np.log(g))
            for (keys, _, _), p, g in zip(counts, probabilities, backoffs, strict=True)
        ]
