"""Text to bare token ids, many texts at a time, with nothing of the tokenizer's own settings in the way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


def private_backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """A copy of the tokenizer's inner part without truncation and padding.

    A copy, because calling the original with `padding=` or `truncation=` anywhere leaves those set in it.
    Raises UserError for a tokenizer that has no such part (a slow one).
    """
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise UserError(f"{type(tokenizer).__name__} is a slow tokenizer; one with tokenizer.json is needed")
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


class Encoder:
    """Encodes batches of texts without special tokens.

    With `literal`, a text that spells a special token (a page about BERT with "[MASK]" in it) is ordinary
    text. Without, it becomes that token, as it does when a program calls the tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, literal: bool) -> None:
        self._backend = private_backend(tokenizer)
        self._backend.encode_special_tokens = literal

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens of all texts in one row [T], number of tokens of each text [D])."""
        encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        rows = [encoding.ids for encoding in encodings]
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        tokens = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
        return tokens, lengths

    def encode_spans(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(tokens [T], number of tokens of each text [D], [start, end) of each token [T, 2]).

        Spans count characters from the beginning of the first text; texts lie end to end.
        """
        encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        lengths = np.fromiter((len(one.ids) for one in encodings), dtype=np.int64, count=len(encodings))
        number = int(lengths.sum())
        tokens = np.fromiter(chain.from_iterable(one.ids for one in encodings), dtype=np.int64, count=number)
        flat = chain.from_iterable(chain.from_iterable(one.offsets for one in encodings))
        spans = np.fromiter(flat, dtype=np.int64, count=2 * number).reshape(-1, 2)
        sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        return tokens, lengths, spans + np.repeat(np.cumsum(sizes) - sizes, lengths)[:, None]
