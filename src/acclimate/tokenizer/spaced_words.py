"""One token a word as white space parts them, for text that is cut into words: PTB, WikiText, segmented Chinese.

There is no special token but `<unk>`, which such texts write themselves, and `</s>`, which stands for each line end and
around sequences; so a vocabulary has as many entries as published figures count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.specials import around
from acclimate.tokenizer.words import count_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

UNKNOWN, END = "<unk>", "</s>"


def train_spaced_word(
    texts: Iterator[list[str]], vocab_size: int, *, lowercase: bool, tell: Tell, min_count: int = 1
) -> Tokenizer:
    """The most frequent words that occur `min_count` times; others become `<unk>`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    steps = [normalizers.Replace("\n", f" {END} "), *([normalizers.Lowercase()] if lowercase else [])]
    normalizer, pre_tokenizer = normalizers.Sequence(steps), pre_tokenizers.WhitespaceSplit()

    def expand(piece: str) -> list[str]:
        return [word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(piece))]

    words = count_words(texts, re.compile(r"\S+"), expand, tell)
    ranked = sorted(words, key=lambda one: (-words[one], one))
    chosen = [word for word in ranked if words[word] >= min_count and word not in (UNKNOWN, END)]
    entries = [UNKNOWN, END, *chosen[: vocab_size - 2]]
    backend = Tokenizer(models.WordLevel({one: id for id, one in enumerate(entries)}, unk_token=UNKNOWN))
    backend.normalizer, backend.pre_tokenizer = normalizer, pre_tokenizer
    return backend


def finished_words(backend: Tokenizer, *, model_max_length: int | None) -> PreTrainedTokenizerFast:
    """The Transformers tokenizer around it."""
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    backend.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in (UNKNOWN, END)]
    )
    backend.post_processor = around(backend, END, END)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        unk_token=UNKNOWN,
        **dict.fromkeys(("bos_token", "eos_token", "pad_token"), END),
        **({} if model_max_length is None else {"model_max_length": model_max_length}),
    )
