"""Sequences for models that predict the next token: of a whole corpus, each token is asked for exactly once.

A document is `first text last`, and every token but `first` is asked for. A sequence holds the tokens that are asked
for and the one before them, so neighbours share one token.

Legend: D documents with text, B sequences asked for, T tokens in their row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.packed import Sequences
from acclimate.batching.ragged import starts, within
from acclimate.batching.token_store import TokenStore
from acclimate.errors import UserError


class NextTokenStore:
    """The documents of a token store cut into sequences.

    A document is cut into as few sequences as will do, of equal length up to one token; with `joined` all documents
    together are, so that a sequence may run over the end of one into the next. Empty documents are left out.
    """

    def __init__(
        self, tokens: TokenStore, sequence_length: int, first_id: int, last_id: int, *, joined: bool = False
    ) -> None:
        """`sequence_length` counts the token before the first that is asked for."""
        room = sequence_length - 1
        if room < 1:
            raise UserError(f"sequence_length {sequence_length} leaves no token to ask for")
        self._store, self._ends = tokens, (first_id, last_id)
        offsets = np.asarray(tokens.offsets)
        self._documents: NDArray[np.int64] = np.flatnonzero(np.diff(offsets))
        self._texts = offsets[self._documents]
        sizes = np.diff(offsets)[self._documents] + 2
        self._begins = starts(sizes)
        """[D+1] where each document begins in the row of all with their ends."""
        if joined:
            sizes = sizes.sum(keepdims=True) if len(sizes) else sizes
        asked = sizes - 1  # of a document, or of all together
        pieces = -(-asked // room)
        number, owner = within(pieces), np.repeat(np.arange(len(pieces)), pieces)
        begin = number * asked[owner] // pieces[owner]
        self._starts: NDArray[np.int64] = begin + starts(sizes)[:-1][owner]
        self.lengths: NDArray[np.int64] = (number + 1) * asked[owner] // pieces[owner] - begin + 1

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return self._store.num_bytes

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents, special ones left out."""
        return self._store.num_tokens

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the document in which each sequence [B] begins."""
        return self._documents[self._document_at(self._starts[ids])]

    def _document_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self._begins, places, side="right") - 1

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The sequences [B] in one row."""
        lengths = self.lengths[ids]
        places = within(lengths) + np.repeat(self._starts[ids], lengths)
        document = self._document_at(places)
        inside = places - self._begins[document]
        at = self._texts[document] + inside - 1
        tokens = self._store.tokens[np.clip(at, 0, max(0, self._store.num_tokens - 1))].astype(np.int64)
        tokens[inside == 0] = self._ends[0]
        tokens[places == self._begins[document + 1] - 1] = self._ends[1]
        return Sequences(tokens, starts(lengths), np.zeros_like(tokens), ids, epochs)
