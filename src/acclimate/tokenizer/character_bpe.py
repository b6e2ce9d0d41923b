"""Byte-pair encoding over characters with byte fallback, as SentencePiece and Llama have it (Sennrich et al. 2016).

Spaces are written `▁`, one before the first word; characters that the vocabulary does not hold are spelt in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.merges import merges_of
from acclimate.tokenizer.pieces import BYTES, SPACE, Segment, counted_words, put_around, spelt
from acclimate.tokenizer.specials import TOKENS
from acclimate.tokenizer.words import chosen_characters, repeated

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SMALLEST = len(TOKENS) + len(BYTES) + 2
"""Entries that every such vocabulary has: special tokens, bytes, the space and a character."""
_LONGEST_TOKEN = 16
"""Characters, as in SentencePiece."""


def train_character_bpe(
    texts: Iterator[list[str]],
    vocab_size: int,
    *,
    lowercase: bool,
    tell: Tell,
    min_count: int = 2,
    segment: Segment | None = None,
) -> Tokenizer:
    """The most frequent pair is joined first, as long as a pair occurs `min_count` times and there is room.

    With `segment` no token crosses the words that it cuts.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words, characters = counted_words(texts, lowercase=lowercase, segment=segment, tell=tell)
    chosen = [SPACE, *chosen_characters(characters, vocab_size, vocab_size - SMALLEST + 1)]
    room = vocab_size - len(TOKENS) - len(BYTES) - len(chosen)
    trainer = trainers.BpeTrainer(
        vocab_size=len(chosen) + room,
        min_frequency=min_count,
        special_tokens=[],
        initial_alphabet=chosen,
        max_token_length=_LONGEST_TOKEN,
        show_progress=False,
    )
    scratch = Tokenizer(models.BPE())
    scratch.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\0")
    scratch.train_from_iterator(repeated(spelt(words, set(chosen)), "\0"), trainer=trainer)
    by_id = sorted(scratch.get_vocab().items(), key=lambda item: item[1])
    joined = [piece for piece, _ in by_id if len(piece) > 1]
    vocabulary = {piece: id for id, piece in enumerate([*TOKENS, *BYTES, *chosen, *joined])}
    model = models.BPE(
        vocabulary,
        merges_of(joined, [*chosen, *joined]),
        unk_token="[UNK]",
        fuse_unk=True,
        byte_fallback=True,
    )
    return put_around(Tokenizer(model), lowercase=lowercase)
