"""One token a word, as in language models before subwords; Chinese is taken character by character, as BERT does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.specials import TOKENS
from acclimate.tokenizer.wordpiece import bert_words, count_bert_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def train_word(
    texts: Iterator[list[str]], vocab_size: int, *, lowercase: bool, tell: Tell, min_count: int = 2
) -> Tokenizer:
    """The most frequent words that occur `min_count` times; others become [UNK]."""
    from tokenizers import Tokenizer, models

    words = count_bert_words(texts, lowercase=lowercase, tell=tell)
    ranked = sorted(words, key=lambda one: (-words[one], one))
    chosen = [word for word in ranked if words[word] >= min_count and word not in TOKENS]
    entries = [*TOKENS, *chosen[: vocab_size - len(TOKENS)]]
    backend = Tokenizer(models.WordLevel({one: id for id, one in enumerate(entries)}, unk_token="[UNK]"))
    return bert_words(backend, lowercase=lowercase)
