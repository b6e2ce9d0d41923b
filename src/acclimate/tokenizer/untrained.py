"""A tokenizer of a given size before there is one: what a model must know of it, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acclimate.tokenizer.specials import TOKENS, finished

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def untrained_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A fast tokenizer with `size` entries: the special tokens of a trained one, and words that stand for the rest."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    entries = [*TOKENS, *(f"w{number}" for number in range(len(TOKENS), size))]
    backend = Tokenizer(WordLevel({entry: id for id, entry in enumerate(entries)}, unk_token="[UNK]"))
    return finished(backend, spaced=False, model_max_length=None)
