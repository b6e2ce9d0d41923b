"""Captions with the pictures that they tell of, made once and then mapped into memory.

Files of a part's folder:
- `pictures.bin`: all pictures of the part, uint8 [I, 3, S, S].
- `captions.safetensors`: `tokens` int32 of all captions without special ones, `starts` int64 [N+1], `views` int64
  [N, V] the row of each picture that belongs to a caption, −1 where there is none, `items` int64 [N] what it tells of.
- `counts.json`: S, pictures, bytes and tokens of the captions' text.

Legend: N captions, V views of an item, I pictures, S side of a picture, B sequences asked for, T tokens in their row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.batching.packed import Sequences, positions_in
from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import boundaries

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PICTURES, CAPTIONS, COUNTS = "pictures.bin", "captions.safetensors", "counts.json"


def write_captions(
    folder: Path,
    texts: Sequence[str],
    views: NDArray[np.int64],
    items: NDArray[np.int64],
    tokenizer: PreTrainedTokenizerFast,
    size: int,
    num_pictures: int,
) -> None:
    """The store of these captions, of which each has tokens; its `pictures.bin` is written already."""
    from safetensors.numpy import save

    tokens, lengths = Encoder(tokenizer, literal=True).encode(texts)
    columns = {
        "tokens": tokens.astype(np.int32),
        "starts": np.append(0, np.cumsum(lengths)).astype(np.int64),
        "views": views.astype(np.int64),
        "items": items.astype(np.int64),
    }
    durable.write_bytes(folder / CAPTIONS, save(columns))
    counts = {
        "size": size,
        "pictures": num_pictures,
        "bytes": sum(len(text.encode()) for text in texts),
        "tokens": len(tokens),
    }
    durable.write_json(folder / COUNTS, counts)


class PictureStore:
    """The captions of a part, each as `[CLS] caption [SEP]` with its pictures. Longer ones are cut at the end."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast, sequence_length: int) -> None:
        """`sequence_length` counts special tokens."""
        from safetensors.numpy import load_file

        counts = json.loads((folder / COUNTS).read_text("utf-8"))
        columns = load_file(folder / CAPTIONS)
        self.num_bytes: int = counts["bytes"]
        self.num_tokens: int = counts["tokens"]
        self.views: NDArray[np.int64] = columns["views"]
        """[N, V] rows of `pictures`."""
        self.items: NDArray[np.int64] = columns["items"]
        """[N] what each caption tells of."""
        side, number = counts["size"], counts["pictures"]
        self.pictures: NDArray[np.uint8] = np.zeros((0, 3, side, side), np.uint8)
        """[I, 3, S, S]"""
        if number:
            self.pictures = np.memmap(folder / PICTURES, np.uint8, mode="r", shape=(number, 3, side, side))
        self._tokens, self._starts = columns["tokens"], columns["starts"]
        self._ends = boundaries(tokenizer)
        room = sequence_length - 2
        if room < 1:
            raise UserError(f"sequence_length {sequence_length} leaves no room beside two special tokens")
        self._kept = np.minimum(np.diff(self._starts), room)
        self.lengths: NDArray[np.int64] = self._kept + 2

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] the item that each caption [B] tells of."""
        return self.items[ids]

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The captions [B] in one row; `images` uint8 [B, V, 3, S, S], `views` [B, V] whether there is one, `items`."""
        cu_seqlens = np.append(0, np.cumsum(self.lengths[ids])).astype(np.int64)
        places = positions_in(cu_seqlens) + np.repeat(self._starts[ids] - 1, self.lengths[ids])
        tokens = self._tokens[np.clip(places, 0, max(0, len(self._tokens) - 1))].astype(np.int64)
        tokens[cu_seqlens[:-1]], tokens[cu_seqlens[1:] - 1] = self._ends
        rows = self.views[ids]
        return Sequences(
            tokens,
            cu_seqlens,
            np.zeros(len(tokens), np.int64),
            ids,
            epochs,
            by_sequence={
                "images": self.pictures[np.maximum(rows, 0)],
                "views": rows >= 0,
                "items": self.items[ids],
            },
        )
