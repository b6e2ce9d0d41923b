"""Segmentations drawn from a unigram model: each word is a lattice of pieces, gone through backwards by its weights."""

from __future__ import annotations

import math
from heapq import nlargest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.sampling.sampled import Keys, keyed, uniform

_UNKNOWN_COST = 10.0
"""What an unknown character costs more than the worst piece, as in SentencePiece."""
_MOST_KINDS = 100_000
"""Words whose lattices are kept."""


class Edge(NamedTuple):
    """A piece that ends at a place."""

    start: int
    id: int
    score: float


class LatticeSampling:
    """P(x) ∝ exp(α · Σ scores) over all segmentations of a word, or over the best ones."""

    def __init__(self, model: dict[str, Any], alpha: float, best: int | None) -> None:
        """`model` as in tokenizer.json. Raises ValueError when it is no unigram model."""
        if model["type"] != "Unigram":
            raise ValueError(f"unigram_sampling needs a unigram model, and it is a {model['type']}")
        self._alpha, self._count = alpha, best
        self._pieces = {piece: (id, score) for id, (piece, score) in enumerate(model["vocab"])}
        self._longest = max(map(len, self._pieces))
        self._unknown: int = model["unk_id"]
        self._cost = min(score for _, score in self._pieces.values()) - _UNKNOWN_COST
        self._bytes: list[int] | None = None
        if model.get("byte_fallback"):
            self._bytes = [self._pieces[f"<0x{byte:02X}>"][0] for byte in range(256)]
        self._lattices: dict[str, list[list[tuple[float, Edge]]]] = {}
        self._lists: dict[str, tuple[NDArray[np.float64], list[list[Edge]]]] = {}

    def split(self, words: list[str], keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = self._from_best(words, keys) if self._count else self._from_all(words, keys)
        counts = np.fromiter(map(len, rows), np.int64, len(rows))
        return np.fromiter((id for row in rows for id in row), np.int64, int(counts.sum())), counts

    def _from_best(self, words: list[str], keys: Keys) -> list[list[int]]:
        draws = uniform(keys).tolist()
        rows = []
        for word, draw in zip(words, draws, strict=True):
            found = self._lists.get(word)
            if found is None:
                listed = self.best_segmentations(word, self._count or 1)
                weights = np.array([self._alpha * score for score, _ in listed])
                shares = np.exp(weights - weights.max())
                found = np.cumsum(shares / shares.sum()), [edges for _, edges in listed]
                if len(self._lists) < _MOST_KINDS:
                    self._lists[word] = found
            place = min(int(np.searchsorted(found[0], draw, side="right")), len(found[1]) - 1)
            rows.append(self._spelt(word, found[1][place]))
        return rows

    def _from_all(self, words: list[str], keys: Keys) -> list[list[int]]:
        rows: list[list[int]] = []
        longest = max(map(len, words), default=0)
        # One draw for each step of a path; a path has at most as many as the word has characters.
        draws = np.empty((min(longest, 64), len(words)))
        for step in range(len(draws)):
            draws[step] = uniform(keyed(keys, np.uint64(step)))
        for number, word in enumerate(words):
            lattice = self._lattice(word)
            edges: list[Edge] = []
            at = len(word)
            while at:
                step = len(edges)
                if step < len(draws):
                    draw = draws[step, number]
                else:
                    draw = uniform(keyed(keys[number : number + 1], np.uint64(step)))[0]
                # Cumulated shares: the first one above the draw.
                edge = next((edge for share, edge in lattice[at] if draw < share), lattice[at][-1][1])
                edges.append(edge)
                at = edge.start
            rows.append(self._spelt(word, edges[::-1]))
        return rows

    def edges(self, word: str) -> list[list[Edge]]:
        """[length + 1] the pieces that end at each place."""
        ending: list[list[Edge]] = [[] for _ in range(len(word) + 1)]
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + self._longest) + 1):
                found = self._pieces.get(word[start:end])
                if found is not None:
                    ending[end].append(Edge(start, *found))
                elif end == start + 1:
                    ending[end].append(Edge(start, self._unknown, self._cost))
        return ending

    def _lattice(self, word: str) -> list[list[tuple[float, Edge]]]:
        """The edges that end at each place with their cumulated probabilities, given that a path comes there."""
        known = self._lattices.get(word)
        if known is not None:
            return known
        reach = [0.0] * (len(word) + 1)
        shares: list[list[tuple[float, Edge]]] = [[]]
        for end, edges in enumerate(self.edges(word)[1:], 1):
            weights = [reach[edge.start] + self._alpha * edge.score for edge in edges]
            most = max(weights)
            total = sum(math.exp(weight - most) for weight in weights)
            reach[end] = most + math.log(total)
            cumulated = 0.0
            row = []
            for weight, edge in zip(weights, edges, strict=True):
                cumulated += math.exp(weight - most) / total
                row.append((cumulated, edge))
            shares.append(row)
        if len(self._lattices) < _MOST_KINDS:
            self._lattices[word] = shares
        return shares

    def best_segmentations(self, word: str, count: int) -> list[tuple[float, list[Edge]]]:
        """(score, pieces) of the best segmentations, at most `count`, the best first."""
        kept: list[list[tuple[float, list[Edge]]]] = [[(0.0, [])]]
        for edges in self.edges(word)[1:]:
            ways = [(score + edge.score, edge, path) for edge in edges for score, path in kept[edge.start]]
            kept.append(
                [
                    (score, [*path, edge])
                    for score, edge, path in nlargest(count, ways, key=lambda way: way[0])
                ]
            )
        return kept[-1]

    def _spelt(self, word: str, edges: list[Edge]) -> list[int]:
        """Ids of the pieces; bytes for unknown characters, or one unknown token for a run of them."""
        ids: list[int] = []
        after_unknown = False
        for edge in edges:
            if edge.id != self._unknown:
                ids.append(edge.id)
            elif self._bytes is not None:
                ids += [self._bytes[byte] for byte in word[edge.start].encode()]
            elif not after_unknown:
                ids.append(edge.id)
            after_unknown = edge.id == self._unknown
        return ids
