"""Unigram language model tokenizer (Kudo 2018) with byte fallback: what no piece spells is spelt in bytes.

Spaces are written `▁` as in SentencePiece, one before the first word. Everything reads back as it was, but for a space
at the very beginning and the character `▁` (U+2581) itself, which becomes a space.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.specials import TOKENS
from acclimate.tokenizer.words import chosen_characters, count_words, repeated

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SMALLEST = len(TOKENS) + len(BYTES) + 2
"""Entries that every such vocabulary has: special tokens, bytes, the space, and one piece more, without which the
trainer oversteps the size."""
_STEP = 1e-4
"""What the trainer adds from one character that it found no use for to the next."""
_PIECES = (
    r" ?\p{Han}+| ?[\p{L}\p{M}&&[^\p{Han}]]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}\p{Han}]+|\s"  # Oniguruma's syntax
)
"""What a token never crosses: runs of Han, of other letters, of digits, of the rest, each with the space before it."""
_COARSE = re.compile(r" ?\w+| ?[^\w\s]+|\s")


def train_unigram(texts: Iterator[list[str]], vocab_size: int, *, lowercase: bool, tell: Tell) -> Tokenizer:
    """Seeds are frequent substrings; expectation maximisation and pruning lead down to the size."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    normalize = normalizers.Lowercase().normalize_str if lowercase else str
    cut = _pre_tokenizer(first="never")

    def expand(piece: str) -> list[str]:
        return [word for word, _ in cut.pre_tokenize_str(normalize(piece))]

    prefixed = ([text if text.startswith(" ") else " " + text for text in batch] for batch in texts)
    words = count_words(prefixed, _COARSE, expand, tell)
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    for character in "▁\0":
        characters.pop(character, None)
    chosen = chosen_characters(characters, vocab_size, vocab_size - SMALLEST)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size - len(BYTES),
        special_tokens=TOKENS,
        unk_token="[UNK]",
        initial_alphabet=["▁"],
        show_progress=False,
    )
    scratch = Tokenizer(models.Unigram())
    scratch.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\0")
    scratch.train_from_iterator(repeated(_spelt(words, {*chosen, "▁"}), "\0"), trainer=trainer)
    found = json.loads(scratch.to_str())["model"]["vocab"]
    pieces = _settled([(piece, score) for piece, score in found if piece not in TOKENS])
    # No text matches these: the pre-tokeniser cuts what spells them, brackets from letters from digits.
    names = [(piece, 0.0) for piece in (*TOKENS, *BYTES)]
    backend = Tokenizer(models.Unigram([*names, *pieces], TOKENS.index("[UNK]"), byte_fallback=True))
    if lowercase:
        backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = _pre_tokenizer(first="first")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return backend


def _pre_tokenizer(*, first: str) -> PreTokenizer:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Metaspace, Sequence, Split

    return Sequence([Split(Regex(_PIECES), "isolated"), Metaspace(prepend_scheme=first, split=False)])


def _spelt(words: Counter[str], known: set[str]) -> Counter[str]:
    """The words cut where a character stands that the vocabulary leaves to bytes."""
    spelt: Counter[str] = Counter()
    for word, count in words.items():
        if known.issuperset(word):
            spelt[word] += count
        else:
            for part in "".join(c if c in known else "\0" for c in word).split("\0"):
                if part:
                    spelt[part] += count
    return spelt


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
