"""Pages cut into windows, each token with the box of its word; made once, read into memory.

Files of a part's folder:
- `forms.safetensors`: of all windows' tokens, without special ones, `tokens` int32 [T], `boxes` int16 [T, 4], `words`
  uint8 [T] 1 where a word starts; `starts` int64 [N+1] of the windows, `forms` int64 [N] the form that each is from.
- `counts.json`: forms, bytes of their words, tokens.

Legend: N windows, B sequences asked for, T tokens in their row, W words of a form, L tokens of a form.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.batching.packed import Sequences, positions_in
from acclimate.batching.word_windows import word_windows
from acclimate.corpus.document import Dropped
from acclimate.corpus.forms import Form, Forms
from acclimate.errors import UserError
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.template import boundaries

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FORMS, COUNTS = "forms.safetensors", "counts.json"
FIRST_BOX, LAST_BOX = (0, 0, 0, 0), (1000, 1000, 1000, 1000)
"""Where the special tokens before and after a window stand (Xu et al. 2020)."""


class FormWriter:
    """Collects the forms of one part, and writes its store."""

    def __init__(self, books: Forms, tokenizer: PreTrainedTokenizerFast, sequence_length: int) -> None:
        """`sequence_length` counts the two special tokens."""
        self._books = books
        self._encoder = Encoder(tokenizer, literal=True)
        self._room = sequence_length - 2
        if self._room < 1:
            raise UserError(f"sequence_length {sequence_length} leaves no room beside two special tokens")
        self._rows: list[dict[str, NDArray[Any]]] = []
        self._lengths: list[int] = []
        self._owners: list[int] = []
        self._forms = self._bytes = self._words = 0

    def add(self, form: Form) -> None:
        starts = np.cumsum([0, *(len(word) + 1 for word in form.words)])[:-1]
        tokens, _, spans = self._encoder.encode_spans([" ".join(form.words)])
        # A token that takes in the space before its word ends in the word.
        owner = np.searchsorted(starts, np.maximum(spans[:, 1] - 1, 0), side="right") - 1
        there = np.bincount(owner, minlength=len(form.words)) > 0
        self._books.drop(
            [
                Dropped("no_tokens", form.place, f"{form.words[number]!r} has no tokens")
                for number in np.flatnonzero(~there)
            ]
        )
        self._books.keep(int(there.sum()))
        if not len(tokens):
            return
        first = np.append(True, owner[1:] != owner[:-1])
        windows = word_windows(first, self._room)
        self._rows.append({"tokens": tokens, "boxes": form.boxes[owner], "words": first})
        self._words += int(first.sum())
        self._lengths += windows
        self._owners += [self._forms] * len(windows)
        self._forms += 1
        self._bytes += sum(len(word.encode()) for word, kept in zip(form.words, there, strict=True) if kept)

    def write(self, folder: Path) -> dict[str, int]:
        """The store."""
        from safetensors.numpy import save

        columns = {
            "tokens": _joined([one["tokens"] for one in self._rows], np.int32, ()),
            "boxes": _joined([one["boxes"] for one in self._rows], np.int16, (4,)),
            "words": _joined([one["words"] for one in self._rows], np.uint8, ()),
            "starts": np.append(0, np.cumsum(self._lengths)).astype(np.int64),
            "forms": np.array(self._owners, np.int64),
        }
        durable.write_bytes(folder / FORMS, save(columns))
        tokens = len(columns["tokens"])
        durable.write_json(folder / COUNTS, {"forms": self._forms, "bytes": self._bytes, "tokens": tokens})
        return {"forms": self._forms, "windows": len(self._lengths), "words": self._words}


def _joined(rows: list[NDArray[Any]], dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.concatenate([np.zeros((0, *shape), dtype), *(row.astype(dtype) for row in rows)])


class FormStore:
    """The windows of a part, each as `[CLS] window [SEP]`."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        from safetensors.numpy import load_file

        counts = json.loads((folder / COUNTS).read_text("utf-8"))
        self._columns = load_file(folder / FORMS)
        self.num_bytes: int = counts["bytes"]
        self.num_tokens: int = counts["tokens"]
        self._ends = boundaries(tokenizer)
        self._starts: NDArray[np.int64] = self._columns["starts"]
        self.lengths: NDArray[np.int64] = np.diff(self._starts) + 2

    def document_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B] number of the form that each window [B] is from."""
        found: NDArray[np.int64] = self._columns["forms"][ids]
        return found

    def fetch(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> Sequences:
        """The windows [B] in one row; of each token `boxes` [T, 4], and `words`, 1 where one starts."""
        cu_seqlens = np.append(0, np.cumsum(self.lengths[ids])).astype(np.int64)
        first, last = cu_seqlens[:-1], cu_seqlens[1:] - 1
        places = positions_in(cu_seqlens) + np.repeat(self._starts[ids] - 1, self.lengths[ids])
        np.clip(places, 0, max(0, self.num_tokens - 1), out=places)
        tokens = self._columns["tokens"][places].astype(np.int64)
        boxes = self._columns["boxes"][places].astype(np.int64)
        words = self._columns["words"][places]
        tokens[first], tokens[last] = self._ends
        boxes[first], boxes[last] = FIRST_BOX, LAST_BOX
        words[first] = words[last] = 1
        return Sequences(
            tokens,
            cu_seqlens,
            np.zeros(len(tokens), np.int64),
            ids,
            epochs,
            by_token={"boxes": boxes, "words": words},
        )
