"""Encoding a corpus with a memory of words: most of a text are words that the tokenizer has met before.

Texts are cut before every space that follows no white space. Tokenizers of the kinds below never make a token across
such a place, nor look across it, so that the tokens of the pieces are those of the text; each piece is given to the
tokenizer once. Other tokenizers encode whole texts as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.kernels import word_memory
from acclimate.tokenizer.encoding import Encoder
from acclimate.tokenizer.pieces import PIECES

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

_TOGETHER = 256
MOST_BYTES = 128_000_000
"""A memory above this is given up for a new one."""
_BY_CHARACTER = {"BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"}
"""Normalizers whose work on one side of such a place does not depend on the other."""


class RememberingEncoder(Encoder):
    """Gives what `Encoder` gives with `literal`, sooner for text with spaces."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__(tokenizer, literal=True)
        self._remembers = word_memory.available() and parts_at_spaces(self._backend)
        self._memory: word_memory.WordMemory | None = None

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens of all texts in one row [T], number of tokens of each text [D])."""
        if not self._remembers or not texts:
            return super().encode(texts)
        if self._memory is None or self._memory.size > MOST_BYTES:
            self._memory = word_memory.WordMemory()
        encoded = [text.encode() for text in texts]
        data = np.frombuffer(b"".join(encoded), np.uint8)
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(one) for one in encoded], out=offsets[1:])
        fresh = self._memory.find(data, offsets)
        if len(fresh):
            words = [str(data.data[start : start + size], "utf-8") for start, size in fresh.tolist()]
            self._memory.learn(*self._tokens_of(words))
        return self._memory.emit(len(texts))

    def _tokens_of(self, words: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(number of tokens of each, tokens of all in one row). Many in one text take less than half of the time; where
        a token begins says whose it is."""
        apart = [row for row, word in enumerate(words) if word[0] != " " or word.isspace()]
        alone = set(apart)
        together = [row for row in range(len(words)) if row not in alone]
        joined = [words[row] for row in together]
        texts = ["".join(joined[start : start + _TOGETHER]) for start in range(0, len(joined), _TOGETHER)]
        tokens, _, spans = self.encode_spans(texts)
        ends = np.cumsum([len(word) for word in joined], dtype=np.int64)
        owners = np.searchsorted(ends, spans[:, 0], side="right")
        others, lengths = super().encode([words[row] for row in apart])
        counts = np.zeros(len(words), np.int64)
        counts[together] = np.bincount(owners, minlength=len(together))
        counts[apart] = lengths
        row_of = np.concatenate([np.repeat(together, counts[together]), np.repeat(apart, lengths)])
        order = np.argsort(row_of, kind="stable")
        return counts, np.concatenate([tokens, others])[order]


def parts_at_spaces(backend: Tokenizer) -> bool:
    """Whether a text's tokens are those of its pieces, one after the other."""
    parts: dict[str, Any] = json.loads(backend.to_str())
    model = parts["model"]
    if any(not added["special"] for added in parts["added_tokens"]):
        return False  # they are looked for before anything is cut, spaces and all
    if (
        model.get("dropout")
        or model.get("alpha")
        or model["type"] not in ("BPE", "WordPiece", "WordLevel", "Unigram")
    ):
        return False
    cutting = _parts(parts["pre_tokenizer"], "pretokenizers")
    return (
        all(one["type"] in _BY_CHARACTER for one in _parts(parts["normalizer"], "normalizers"))
        and bool(cutting)
        and _cuts_at_spaces(cutting[0])
        and all(map(_leaves_pieces_apart, cutting[1:]))
    )


def _parts(part: dict[str, Any] | None, below: str) -> list[dict[str, Any]]:
    if part is None:
        return []
    return list(part[below]) if part["type"] == "Sequence" else [part]


def _cuts_at_spaces(part: dict[str, Any]) -> bool:
    kind = part["type"]
    if kind == "ByteLevel":
        return part["use_regex"] and not part["add_prefix_space"]
    if kind == "Split":
        return (
            part["pattern"].get("Regex") == PIECES and part["behavior"] == "Isolated" and not part["invert"]
        )
    return kind in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit") or (
        kind == "Metaspace" and part["split"]
    )


def _leaves_pieces_apart(part: dict[str, Any]) -> bool:
    """Whether it may follow one that cuts: it looks at each piece by itself, not at where that stands in the text."""
    if part["type"] == "ByteLevel":
        return not part["add_prefix_space"]
    return part["type"] in ("Metaspace", "Digits", "Punctuation")
