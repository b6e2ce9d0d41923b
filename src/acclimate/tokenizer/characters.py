"""One token a character: nothing to learn but which characters there are (El Boukkouri et al. 2020 and others)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.specials import TOKENS

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def train_character(
    texts: Iterator[list[str]], vocab_size: int, *, lowercase: bool, tell: Tell, min_count: int = 1
) -> Tokenizer:
    """The most frequent characters, white space included, that occur `min_count` times; others become [UNK]."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    lower = normalizers.Lowercase() if lowercase else None
    counts: Counter[str] = Counter()
    documents = 0
    for batch in texts:
        for text in batch:
            counts.update(text if lower is None else lower.normalize_str(text))
        documents += len(batch)
        tell(documents, None, "documents")
    ranked = sorted(counts, key=lambda one: (-counts[one], one))
    chosen = [one for one in ranked if counts[one] >= min_count and not "\ud800" <= one <= "\udfff"]
    entries = [*TOKENS, *chosen[: vocab_size - len(TOKENS)]]
    # A BPE without merges leaves a text in its characters.
    backend = Tokenizer(models.BPE({one: id for id, one in enumerate(entries)}, [], unk_token="[UNK]"))
    if lower is not None:
        backend.normalizer = lower
    backend.decoder = decoders.Fuse()
    return backend
