"""How far domains lie apart: four measures between samples of text, each a matrix over all pairs.

Every sample is cut in two by hash, and a pair is compared over halves, so that a domain compared with itself shows
what chance alone makes. Terms are those of `terms.py`: words, and pairs of neighbours of characters without spaces.

Legend: G groups, T different terms, B buckets of a classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.choose.terms import terms_of
from acclimate.progress import Tell, silent

TOP = 10_000
"""Words whose overlap is looked at (Gururangan et al. 2020)."""
COMMON = 100
"""Most frequent terms of all groups together, which stand for the stop words of any language."""
_ORDER = 3
_BUCKETS = 2**18
_EXAMPLES = 1000
_LENGTH = 500
"""Characters of an example that a classifier sees, so that length gives nothing away."""

Matrix = NDArray[np.float64]
Half = list[str]


@dataclass(frozen=True)
class Group:
    """A sample of one kind of text."""

    name: str
    kind: str
    """`source`, `base` or `task`."""
    texts: Sequence[str]

    def half(self, number: int) -> Half:
        """Every second text, the first half with number 0."""
        return list(self.texts[number::2])


def distances(groups: Sequence[Group], tell: Tell = silent) -> dict[str, Any]:
    """What distances.json holds: `groups`, and a matrix of numbers for each measure, null where nothing is said."""
    measures: dict[str, Callable[[Sequence[Group]], Matrix]] = {
        "overlap": overlaps,
        "jensen_shannon": divergences,
        "proxy_a": proxy_a,
        "cross_entropy": cross_entropies,
    }
    found: dict[str, Any] = {
        "groups": [
            {
                "name": one.name,
                "kind": one.kind,
                "documents": len(one.texts),
                "characters": sum(map(len, one.texts)),
            }
            for one in groups
        ]
    }
    for number, (name, measure) in enumerate(measures.items()):
        rows = measure(groups).tolist()
        found[name] = [[None if np.isnan(cell) else round(cell, 4) for cell in row] for row in rows]
        tell(number + 1, len(measures), "measures")
    return found


def overlaps(groups: Sequence[Group]) -> Matrix:
    """[G, G] share of the 10,000 most frequent terms of one that are so of the other, common ones left out."""
    halves = [[_frequencies(one.half(number)) for number in (0, 1)] for one in groups]
    common = _most_frequent(_added([half for pair in halves for half in pair]), COMMON)
    kept = [[_without(half, common) for half in pair] for pair in halves]
    return _over_halves(kept, overlap)


def overlap(first: Counts, second: Counts) -> float:
    """Of as many most frequent terms as both have, 10,000 at most; NaN where one has none."""
    size = min(TOP, len(first.terms), len(second.terms))
    if not size:
        return float("nan")
    return len(np.intersect1d(_most_frequent(first, size), _most_frequent(second, size))) / size


def divergences(groups: Sequence[Group]) -> Matrix:
    """[G, G] Jensen–Shannon divergence of the terms' frequencies, in bits: 0 the same, 1 nothing in common."""
    halves = [[_frequencies(one.half(number)) for number in (0, 1)] for one in groups]
    return _over_halves(halves, jensen_shannon)


def jensen_shannon(first: Counts, second: Counts) -> float:
    """H((p+q)/2) − (H(p)+H(q))/2 in bits; NaN where one has no terms."""
    if not (len(first.terms) and len(second.terms)):
        return float("nan")
    terms = np.union1d(first.terms, second.terms)
    p, q = np.zeros(len(terms)), np.zeros(len(terms))
    p[np.searchsorted(terms, first.terms)] = first.counts / first.counts.sum()
    q[np.searchsorted(terms, second.terms)] = second.counts / second.counts.sum()
    return max(0.0, _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2)


def proxy_a(groups: Sequence[Group]) -> Matrix:
    """[G, G] 2·(1 − 2ε), ε the error of a linear classifier that tells the two apart (Ben-David et al. 2007).

    0: cannot be told apart, 2: always. Logistic regression over bags of terms, learnt on one half, judged on the
    other; of both as many examples.
    """
    bags = [[_bags(one.half(number)[:_EXAMPLES]) for number in (0, 1)] for one in groups]
    found = np.full((len(groups), len(groups)), np.nan)
    for a in range(len(groups)):
        for b in range(a):
            found[a, b] = found[b, a] = _told_apart(bags[a], bags[b])
    return found


def cross_entropies(groups: Sequence[Group]) -> Matrix:
    """[G, G] bits a word that a text of the column costs more under a model of the row than under one of its own.

    Trigram models (modified Kneser–Ney) of one half over the words of all groups, asked about the other half.
    """
    from acclimate.corpus.ngram_text import NgramText, Vocabulary

    known = [one.half(0) for one in groups]
    asked = [one.half(1) for one in groups]
    vocabulary = Vocabulary.of([text for half in known for text in half])
    costs = np.full((len(groups), len(groups)), np.nan)
    if vocabulary.ids:
        for row, half in enumerate(known):
            if not half:
                continue
            model = NgramText.train(half, order=_ORDER, vocabulary=vocabulary)
            for column, texts in enumerate(asked):
                # One text, so that long documents count for what they are.
                costs[row, column] = model.cross_entropies(["\n".join(texts)])[0] / np.log(2)
    return costs - np.diag(costs)[None, :]


@dataclass(frozen=True)
class Counts:
    """How often terms stand in a text."""

    terms: NDArray[np.uint64]
    """[T] sorted."""
    counts: NDArray[np.int64]
    """[T]"""


def _frequencies(texts: Half) -> Counts:
    return Counts(*np.unique(terms_of(texts)[0], return_counts=True))


def _added(parts: Sequence[Counts]) -> Counts:
    terms, place = np.unique(np.concatenate([one.terms for one in parts]), return_inverse=True)
    counts = np.bincount(place, weights=np.concatenate([one.counts for one in parts]), minlength=len(terms))
    return Counts(terms, counts.astype(np.int64))


def _most_frequent(counts: Counts, size: int) -> NDArray[np.uint64]:
    return counts.terms[np.argsort(-counts.counts, kind="stable")[:size]]


def _without(counts: Counts, terms: NDArray[np.uint64]) -> Counts:
    kept = ~np.isin(counts.terms, terms)
    return Counts(counts.terms[kept], counts.counts[kept])


def _over_halves(halves: Sequence[Sequence[Counts]], measure: Callable[[Counts, Counts], float]) -> Matrix:
    """[G, G] a measure between one half of each and the other half of each, both ways; symmetric."""
    size = len(halves)
    cells = [[measure(halves[a][0], halves[b][1]) for b in range(size)] for a in range(size)]
    matrix = np.array(cells)
    return (matrix + matrix.T) / 2


def _entropy(p: Matrix) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def _bags(texts: Half) -> Any:
    """[D, B] sparse: the terms of each text by bucket, rows of length 1."""
    from scipy.sparse import coo_array
    from sklearn.preprocessing import normalize

    hashes, owners = terms_of([text[:_LENGTH] for text in texts])
    places = owners.astype(np.int32), (hashes % np.uint64(_BUCKETS)).astype(np.int32)
    bags = coo_array((np.ones(len(owners)), places), shape=(len(texts), _BUCKETS)).tocsr()
    return normalize(bags) if len(texts) else bags


def _told_apart(first: Sequence[Any], second: Sequence[Any]) -> float:
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    parts = []
    for number in (0, 1):
        size = min(first[number].shape[0], second[number].shape[0])
        if not size:
            return float("nan")
        parts.append((vstack([first[number][:size], second[number][:size]]), np.repeat([0, 1], size)))
    (learnt, labels), (judged, truth) = parts
    used = np.unique(learnt.indices)  # what was not seen in learning has the weight 0 anyway
    classifier = LogisticRegression(C=10, solver="liblinear", random_state=0).fit(learnt[:, used], labels)
    error = float((classifier.predict(judged[:, used]) != truth).mean())
    return max(0.0, 2 * (1 - 2 * error))
