"""BPE with merges left out at random, over all words of a batch at once.

Legend: S symbols that are still being joined, W words, M merges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.tokenizer.sampling.sampled import Keys, keyed, uniform

_NEVER = np.int64(2**62)
_MOST_KINDS = 200_000
"""Words whose first symbols are kept."""


class MergeDropout:
    """In each step every word has its best merge applied, of those that the dice leave; without any it is done.

    Algorithm 1 of Provilkov et al. 2020.
    """

    def __init__(self, model: dict[str, Any], rate: float) -> None:
        """`model` as in tokenizer.json. Raises ValueError when it has no merges."""
        if model["type"] != "BPE":
            raise ValueError(f"bpe_dropout needs a BPE, and it is a {model['type']}")
        if model.get("ignore_merges"):
            raise ValueError("its BPE takes known words whole before it looks at merges (ignore_merges)")
        if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
            raise ValueError("its BPE marks the parts of words, which bpe_dropout does not know")
        self._rate = rate
        self._ids: dict[str, int] = model["vocab"]
        unknown = model.get("unk_token")
        self._unknown = None if unknown is None else self._ids.get(unknown)
        self._fuse, self._bytes = bool(model.get("fuse_unk")), bool(model.get("byte_fallback"))
        self._first: dict[str, list[int]] = {}
        pairs = [(self._ids[a], self._ids[b], self._ids[a + b]) for a, b in model["merges"]]
        table = np.asarray(pairs, np.int64).reshape(-1, 3)
        keys = table[:, 0] << 32 | table[:, 1]
        order = np.argsort(keys, kind="stable")
        self._pairs = np.append(keys[order], _NEVER)
        """[M+1] pairs, sorted."""
        self._ranks = order
        self._joined = table[order, 2]

    def split(self, words: list[str], keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = [self._symbols(word) for word in words]
        sizes = np.fromiter(map(len, first), np.int64, len(first))
        symbols = np.fromiter((one for word in first for one in word), np.int64, int(sizes.sum()))
        owners = np.repeat(np.arange(len(words)), sizes)
        done: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        step = 0
        while len(symbols):
            best, places = self._best(symbols, owners, keyed(keys, np.uint64(step)))
            going = best < _NEVER
            merging = places[going]
            symbols[merging] = self._result(symbols[merging], symbols[merging + 1])
            stays = np.ones(len(symbols), bool)
            stays[merging + 1] = False
            active = np.zeros(len(words), bool)
            active[owners[merging]] = True
            moving = active[owners]
            done.append((symbols[~moving], owners[~moving]))
            symbols, owners = symbols[stays & moving], owners[stays & moving]
            step += 1
        tokens = np.concatenate([np.zeros(0, np.int64), *(one for one, _ in done)])
        owner = np.concatenate([np.zeros(0, np.int64), *(one for _, one in done)])
        return tokens[np.argsort(owner, kind="stable")], np.bincount(owner, minlength=len(words))

    def _best(
        self, symbols: NDArray[np.int64], owners: NDArray[np.int64], keys: Keys
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(rank, place of the left symbol) of the best merge of each word; `_NEVER` where none is left."""
        starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
        ranks = np.full(len(symbols), _NEVER)
        lefts = np.flatnonzero(owners[1:] == owners[:-1])
        pairs = symbols[lefts] << 32 | symbols[lefts + 1]
        found = np.searchsorted(self._pairs, pairs)
        known = self._pairs[found] == pairs
        lefts, found = lefts[known], found[known]
        if self._rate:
            words = np.repeat(starts, np.diff(np.append(starts, len(symbols))))
            draws = uniform(keyed(keys[owners[lefts]], (lefts - words[lefts]).astype(np.uint64)))
            kept = draws >= self._rate
            lefts, found = lefts[kept], found[kept]
        # The rank above, the place below: the least is the best merge, of equal ones the leftmost.
        ranks[lefts] = self._ranks[found] << 31 | lefts
        least = np.minimum.reduceat(ranks, starts)
        return least, least & np.int64(2**31 - 1)

    def _result(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._joined[np.searchsorted(self._pairs, left << 32 | right)]

    def _symbols(self, word: str) -> list[int]:
        """The ids that joining starts from: characters, bytes for unknown ones."""
        known = self._first.get(word)
        if known is not None:
            return known
        found: list[int] = []
        fusing = False
        for character in word:
            id = self._ids.get(character)
            if id is not None:
                found.append(id)
                fusing = False
                continue
            spelt = (
                [self._ids.get(f"<0x{byte:02X}>") for byte in character.encode()] if self._bytes else [None]
            )
            if None not in spelt:
                found += [one for one in spelt if one is not None]
                fusing = False
            elif self._unknown is not None:
                if not (fusing and self._fuse):
                    found.append(self._unknown)
                fusing = True
        if len(self._first) < _MOST_KINDS:
            self._first[word] = found
        return found
