"""A corpus as one row of token ids on disk, mapped into memory: opening costs nothing, reading what is read.

Files of the folder:
- `tokens.bin`: all documents' tokens one after the other, without special ones; little-endian uint16 for a
  vocabulary of at most 65,536, else uint32.
- `offsets.bin`: int64 [D+1], where each document's tokens begin.
- `bytes.bin`: int64 [D], length of each document's text in UTF-8.
- `marks.bin`: where words and sentences start (`marks.py`), uint8 for each token; only where somebody asked for them.
- `counts.json`: dtype, documents, empty documents, tokens, bytes; names of the marks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.batching.marks import BITS, MarkingEncoder
from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.tokenizer.pieces import Segment
from acclimate.tokenizer.remembering import RememberingEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH_CHARACTERS = 4_000_000
"""Texts are encoded in pieces of about this size, which bounds the memory a build takes (some hundred
megabytes).
"""
BATCH_TEXTS = 8_192


Encode = Callable[[list[str]], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""(tokens of all texts in one row, number of tokens of each text)."""


def build_token_store(
    texts: Iterator[list[str]],
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    tell: Tell = silent,
    *,
    encode: Encode | None = None,
    marks: Collection[str] = (),
    segment: Segment | None = None,
) -> dict[str, Any]:
    """Write the store of these texts into the folder, documents in their order; returns what `counts.json`
    holds.

    A text without any token is a document too, and counted as empty. Text that spells a special token stays
    text. `encode` stands in for the tokenizer's own way. `marks`: of "words" and "sentences" what is to be marked;
    `segment` finds the words of Chinese, where it is given. Sampled tokens (`encode`) have no marks.
    """
    if marks and encode is not None:
        raise ValueError(
            "tokens of another way of encoding cannot be marked: nobody knows where in the text they stand"
        )
    marking = MarkingEncoder(tokenizer, marks, segment) if marks else None
    largest = max(tokenizer.get_vocab().values())
    dtype = "<u2" if largest < 2**16 else "<u4"
    encode = encode or RememberingEncoder(tokenizer).encode
    documents = empty = tokens = size = unknown = 0
    unknown_id = tokenizer.unk_token_id
    with ExitStack() as files:
        token_file, offset_file, byte_file = (
            files.enter_context(durable.appender(folder / f"{name}.bin"))
            for name in ("tokens", "offsets", "bytes")
        )
        mark_file = files.enter_context(durable.appender(folder / "marks.bin")) if marking else None
        offset_file.write(np.zeros(1, "<i8").tobytes())
        for batch in _pieces(texts):
            if marking is not None and mark_file is not None:
                ids, lengths, marked = marking.encode_marked(batch)
                mark_file.write(marked.tobytes())
            else:
                ids, lengths = encode(batch)
            sizes = np.fromiter((len(text.encode()) for text in batch), dtype="<i8", count=len(batch))
            token_file.write(ids.astype(dtype).tobytes())
            offset_file.write((tokens + np.cumsum(lengths)).astype("<i8").tobytes())
            byte_file.write(sizes.tobytes())
            documents += len(batch)
            empty += int(np.count_nonzero(lengths == 0))
            tokens += len(ids)
            unknown += 0 if unknown_id is None else int(np.count_nonzero(ids == unknown_id))
            size += int(sizes.sum())
            tell(documents, None, "documents")
    counts = {
        "dtype": dtype,
        "documents": documents,
        "empty": empty,
        "tokens": tokens,
        "unknown": unknown,
        "bytes": size,
        **({"marks": sorted(marks)} if marks else {}),
    }
    durable.write_json(folder / "counts.json", counts)
    return counts


def _pieces(texts: Iterator[list[str]]) -> Iterator[list[str]]:
    """The same texts in lists of bounded size."""
    piece: list[str] = []
    characters = 0
    for batch in texts:
        for text in batch:
            piece.append(text)
            characters += len(text)
            if characters >= BATCH_CHARACTERS or len(piece) >= BATCH_TEXTS:
                yield piece
                piece, characters = [], 0
    if piece:
        yield piece


class TokenStore:
    """The store in a folder, opened for reading. Opening maps the files and reads none of them."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError when a file is missing or has not the size that `counts.json` tells."""
        path = folder / "counts.json"
        try:
            counts = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{folder} holds no token store: {path.name} is missing") from None
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from None
        self.num_documents: int = counts["documents"]
        self.num_tokens: int = counts["tokens"]
        self.num_bytes: int = counts["bytes"]
        self.tokens: NDArray[Any] = _mapped(folder / "tokens.bin", counts["dtype"], self.num_tokens)
        """[num_tokens] of all documents, without special tokens."""
        self.offsets: NDArray[np.int64] = _mapped(folder / "offsets.bin", "<i8", self.num_documents + 1)
        """[num_documents + 1]"""
        self.byte_lengths: NDArray[np.int64] = _mapped(folder / "bytes.bin", "<i8", self.num_documents)
        """[num_documents] in UTF-8."""
        self.mark_names: list[str] = counts.get("marks", [])
        """Of `words` and `sentences` those whose starts are known."""
        self._marks = _mapped(folder / "marks.bin", "u1", self.num_tokens) if self.mark_names else None

    def marks_at(self, places: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
        """Of the tokens at these places: 1 where a word (`words`), a sentence (`sentences`) starts, else 0; what the
        store knows of these."""
        if self._marks is None:
            return {}
        marks = self._marks[places]
        return {name: (marks & BITS[name] > 0).astype(np.uint8) for name in self.mark_names}

    def sentence_starts(self) -> NDArray[np.int64]:
        """[S] the tokens with which sentences start."""
        if self._marks is None or "sentences" not in self.mark_names:
            raise ValueError("the token store was built without marks of sentences")
        return np.flatnonzero(self._marks & BITS["sentences"])

    def document(self, number: int) -> NDArray[np.int64]:
        """The tokens of one document."""
        return self.tokens[self.offsets[number] : self.offsets[number + 1]].astype(np.int64)


def _mapped(path: Path, dtype: str, count: int) -> NDArray[Any]:
    kind = np.dtype(dtype)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise UserError(f"{path} is missing; the token store is not whole") from None
    if size != count * kind.itemsize:
        raise UserError(
            f"{path} has {size} bytes, expected {count * kind.itemsize}; the token store is damaged"
        )
    if not count:
        return np.empty(0, kind)  # an empty file cannot be mapped
    return np.memmap(path, dtype=kind, mode="r", shape=(count,))
