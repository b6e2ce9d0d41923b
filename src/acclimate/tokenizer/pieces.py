"""What Unigram and BPE over characters share: words with ▁ for the space before them, bytes for what is not known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.words import count_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

SPACE = "▁"
"""U+2581, which stands for a space."""
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
"""The pieces that stand for bytes."""
PIECES = (
    r" ?\p{Han}+| ?[\p{L}\p{M}&&[^\p{Han}]]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}\p{Han}]+|\s"  # Oniguruma's syntax
)
"""What a token never crosses: runs of Han, of other letters, of digits, of the rest, each with the space before it."""
_COARSE = re.compile(r" ?\w+| ?[^\w\s]+|\s")

Segment = Callable[[str], list[str]]
"""Cuts a text into words; joined they are the text."""


def pieces_pre_tokenizer(*, first: str) -> PreTokenizer:
    """Cuts a text at what a token never crosses. `first`: whether its beginning gets a ▁ (Metaspace's scheme)."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Metaspace, Sequence, Split

    return Sequence([Split(Regex(PIECES), "isolated"), Metaspace(prepend_scheme=first, split=False)])


def counted_words(
    texts: Iterator[list[str]], *, lowercase: bool, segment: Segment | None, tell: Tell
) -> tuple[Counter[str], Counter[str]]:
    """(how often each word occurs, how often each character does, ▁ left out).

    With `segment` the words of Chinese are counted instead of its runs of characters.
    """
    from tokenizers import normalizers

    normalize = normalizers.Lowercase().normalize_str if lowercase else str
    cut = pieces_pre_tokenizer(first="never")

    def expand(piece: str) -> list[str]:
        words = [word for word, _ in cut.pre_tokenize_str(normalize(piece))]
        return words if segment is None else [part for word in words for part in segment(word)]

    prefixed = ([text if text.startswith(" ") else " " + text for text in batch] for batch in texts)
    words = count_words(prefixed, _COARSE, expand, tell)
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    for character in SPACE + "\0":
        characters.pop(character, None)
    return words, characters


def spelt(words: Counter[str], known: set[str]) -> Counter[str]:
    """The words cut where a character stands that the vocabulary leaves to bytes."""
    parts: Counter[str] = Counter()
    for word, count in words.items():
        if known.issuperset(word):
            parts[word] += count
        else:
            for part in "".join(c if c in known else "\0" for c in word).split("\0"):
                if part:
                    parts[part] += count
    return parts


def put_around(backend: Tokenizer, *, lowercase: bool) -> Tokenizer:
    """The same tokenizer with what stands before and behind its model: words in, text out."""
    from tokenizers import decoders, normalizers

    if lowercase:
        backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pieces_pre_tokenizer(first="first")
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return backend
