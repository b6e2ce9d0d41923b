"""Text to sampled token ids: a function of the seed, the epoch and the document's number, and of nothing else.

Legend: T tokens, W words of all texts, D texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.corpus.words import mix
from acclimate.errors import UserError
from acclimate.tokenizer.encoding import private_backend

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Keys = NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Sampling(Protocol):
    """Splits words."""

    def split(self, words: list[str], keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens [T] of all words in one row, number of tokens of each word [W]); `keys` [W] is the randomness of
        each."""
        ...


def keyed(keys: Keys, numbers: NDArray[np.uint64] | np.uint64) -> Keys:
    """The keys, each made to depend on a number too."""
    return mix(keys ^ mix(np.atleast_1d(numbers) + _GOLDEN))


def uniform(keys: Keys) -> NDArray[np.float64]:
    """A number in [0, 1) of each key."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


class SampledEncoder:
    """Encodes as `Encoder` with `literal` does, but for the split of words, which is drawn."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, seed: int, build: Callable[[dict[str, Any]], Sampling]
    ) -> None:
        """`build` makes the sampling from the tokenizer's model as it stands in tokenizer.json; its ValueError becomes
        a UserError that names the tokenizer.
        """
        backend = private_backend(tokenizer)
        try:
            self._sampling = build(json.loads(backend.to_str())["model"])
        except ValueError as error:
            name = tokenizer.name_or_path or type(tokenizer).__name__
            raise UserError(f"the tokenizer {name} cannot be sampled from: {error}") from None
        self._normalizer, self._pre_tokenizer = backend.normalizer, backend.pre_tokenizer
        self._seed = mix(np.array([seed], np.uint64) + _GOLDEN)

    def encode(
        self, texts: Sequence[str], *, epochs: NDArray[np.int64], documents: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(tokens of all texts in one row [T], number of tokens of each text [D]), given the epoch [D] and number [D]
        of each text.
        """
        words: list[str] = []
        sizes = np.zeros(len(texts), np.int64)
        for number, text in enumerate(texts):
            found = self._words(text)
            sizes[number] = len(found)
            words += found
        keys = keyed(keyed(self._seed, epochs.astype(np.uint64)), documents.astype(np.uint64))
        first = np.cumsum(sizes) - sizes
        places = np.arange(len(words)) - np.repeat(first, sizes)
        tokens, counts = self._sampling.split(words, keyed(np.repeat(keys, sizes), places.astype(np.uint64)))
        ends = np.concatenate([[0], np.cumsum(counts)])
        return tokens, ends[first + sizes] - ends[first]

    def in_order(
        self, num_documents: int
    ) -> Callable[[list[str]], tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """`encode` for texts that come in order: so many documents, then the same again as the next epoch."""
        numbers = count()

        def encode(texts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            places = np.fromiter(islice(numbers, len(texts)), np.int64, len(texts))
            epochs, documents = np.divmod(places, num_documents)
            return self.encode(texts, epochs=epochs, documents=documents)

        return encode

    def _words(self, text: str) -> list[str]:
        if self._normalizer is not None:
            text = self._normalizer.normalize_str(text)
        if self._pre_tokenizer is None:
            return [text] if text else []
        return [word for word, _ in self._pre_tokenizer.pre_tokenize_str(text)]
