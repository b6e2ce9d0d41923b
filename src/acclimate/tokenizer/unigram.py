"""Unigram language model tokenizer (Kudo 2018) with byte fallback: what no piece spells is spelt in bytes.

Spaces are written `▁` as in SentencePiece, one before the first word. Everything reads back as it was, but for a space
at the very beginning and the character `▁` (U+2581) itself, which becomes a space.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.pieces import BYTES, SPACE, Segment, counted_words, put_around, spelt
from acclimate.tokenizer.specials import TOKENS
from acclimate.tokenizer.words import chosen_characters, repeated

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SMALLEST = len(TOKENS) + len(BYTES) + 2
"""Entries that every such vocabulary has: special tokens, bytes, the space, and one piece more, without which the
trainer oversteps the size."""
_STEP = 1e-4
"""What the trainer adds from one character that it found no use for to the next."""


def train_unigram(
    texts: Iterator[list[str]],
    vocab_size: int,
    *,
    lowercase: bool,
    tell: Tell,
    segment: Segment | None = None,
) -> Tokenizer:
    """Seeds are frequent substrings; expectation maximisation and pruning lead down to the size.

    With `segment` no piece crosses the words that it cuts.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words, characters = counted_words(texts, lowercase=lowercase, segment=segment, tell=tell)
    chosen = chosen_characters(characters, vocab_size, vocab_size - SMALLEST)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size - len(BYTES),
        special_tokens=TOKENS,
        unk_token="[UNK]",
        initial_alphabet=[SPACE],
        show_progress=False,
    )
    scratch = Tokenizer(models.Unigram())
    scratch.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\0")
    scratch.train_from_iterator(repeated(spelt(words, {*chosen, SPACE}), "\0"), trainer=trainer)
    found = json.loads(scratch.to_str())["model"]["vocab"]
    pieces = _settled([(piece, score) for piece, score in found if piece not in TOKENS])
    # No text matches these: the pre-tokeniser cuts what spells them, brackets from letters from digits.
    names = [(piece, 0.0) for piece in (*TOKENS, *BYTES)]
    backend = Tokenizer(models.Unigram([*names, *pieces], TOKENS.index("[UNK]"), byte_fallback=True))
    return put_around(backend, lowercase=lowercase)


def _settled(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The same pieces with scores that two trainings agree on, best first.

    The trainer adds up in hash order, which moves the last digits, and gives characters that it found no use for rising
    scores from the lowest one on, in hash order too; they get the lowest one.
    """
    lowest = min(score for _, score in pieces)
    single = sum(len(piece) == 1 for piece, _ in pieces)
    unused = lowest + _STEP * (single + 1)
    settled = [
        (piece, round(lowest if len(piece) == 1 and score < unused else score, 3)) for piece, score in pieces
    ]
    return sorted(settled, key=lambda item: (-item[1], item[0]))
