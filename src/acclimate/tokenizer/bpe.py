"""Byte-pair encoding over bytes (Sennrich et al. 2016; Radford et al. 2019): any text can be spelt, and read back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.pieces import Segment
from acclimate.tokenizer.specials import TOKENS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SMALLEST = len(TOKENS) + 256
"""Entries that every such vocabulary has: the special tokens and the bytes."""
_LONGEST_TOKEN = 48
"""Bytes. Without spaces to stop it, Chinese would give whole sentences that happen to repeat."""
_CUT = "\0"


def train_bpe(
    texts: Iterator[list[str]],
    vocab_size: int,
    *,
    lowercase: bool,
    tell: Tell,
    min_count: int = 2,
    segment: Segment | None = None,
) -> Tokenizer:
    """The most frequent pair is joined first, as long as a pair occurs `min_count` times and there is room.

    With `segment` no token crosses the words that it cuts. The trainer keeps the different words of the corpus in
    memory.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    if lowercase:
        backend.normalizer = normalizers.Lowercase()
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if segment is None:
        backend.pre_tokenizer = words
    else:
        cut = pre_tokenizers.Split(_CUT, "removed")
        backend.pre_tokenizer = pre_tokenizers.Sequence([cut, words])
        texts = ([_CUT.join(segment(text)) for text in batch] for batch in texts)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_count,
        special_tokens=TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=_LONGEST_TOKEN,
        show_progress=False,
    )
    backend.train_from_iterator(_told(texts, tell), trainer=trainer)
    backend.pre_tokenizer = words
    return backend


def _told(texts: Iterator[list[str]], tell: Tell) -> Iterator[list[str]]:
    documents = 0
    for batch in texts:
        yield batch
        documents += len(batch)
        tell(documents, None, "documents")
