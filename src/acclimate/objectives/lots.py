"""A lot for each token that is not special: what every objective starts from that hides, moves or orders tokens.

Legend: T tokens in the row, B sequences, N tokens that are not special, in row order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.batching.counter_random import absorb, draw, stream
from acclimate.batching.packed import Sequences
from acclimate.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def special_and_all(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """(ids of special tokens, all ids). [UNK] stands for text, and is asked for like other text: leaving it out would
    flatter bits per byte."""
    special = sorted(set(tokenizer.all_special_ids) - {tokenizer.unk_token_id})
    return special, sorted(set(tokenizer.get_vocab().values()))


@dataclass(frozen=True)
class Lots:
    """The lots of a row's tokens."""

    places: NDArray[np.int64]
    """[N] where in the row each token stands."""
    owner: NDArray[np.int64]
    """[N] the sequence it is of."""
    bits: NDArray[np.uint64]
    """[N] its lot."""
    counts: NDArray[np.int64]
    """[B] how many tokens of each sequence have one."""

    def ranked(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(order [N], rank [N]): the lots of each sequence in turn, from its lowest one up, and which of its sequence
        each of them is. Every order of a sequence's tokens is equally likely."""
        # Sorting by owner first keeps each sequence's lots together; equal upper bits fall to the earlier place.
        keys = (self.owner.astype(np.uint64) << np.uint64(32)) | (self.bits >> np.uint64(32))
        order = np.argsort(keys, kind="stable")
        return order, np.arange(len(order)) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)


class Drum:
    """Draws lots: a function of (seed, epoch, sequence id, position) alone; with `fixed` the epoch does not count."""

    def __init__(
        self, name: str, *, special_ids: list[int], vocabulary: list[int], seed: int, fixed: bool
    ) -> None:
        """`name` of the stream of chance; `vocabulary` lists all token ids."""
        self.key = stream(f"{name} fixed" if fixed else name, seed)
        self._fixed = fixed
        self._is_special = np.zeros(max(*vocabulary, *special_ids) + 1, dtype=bool)
        self._is_special[special_ids] = True
        ids = np.array(vocabulary, dtype=np.int64)
        self.ordinary: NDArray[np.int64] = ids[~self._is_special[ids]]
        """Ids of tokens that are not special."""
        if not len(self.ordinary):
            raise UserError("the tokenizer has no token but special ones")

    def draw(self, sequences: Sequences) -> Lots:
        """One for each token that is not special."""
        places = np.flatnonzero(~self._is_special[sequences.tokens])
        owner = np.repeat(np.arange(len(sequences), dtype=np.int64), sequences.lengths)[places]
        epochs = np.zeros_like(sequences.epochs) if self._fixed else sequences.epochs
        keys = absorb(absorb(self.key, epochs), sequences.ids)
        bits = draw(keys[owner], (places - sequences.cu_seqlens[owner]).astype(np.uint64))
        return Lots(places, owner, bits, np.bincount(owner, minlength=len(sequences)))
