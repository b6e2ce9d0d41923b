"""WordPiece as BERT has it (Devlin et al. 2019): words split into the longest known pieces, `##` inside a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acclimate.progress import Tell
from acclimate.tokenizer.specials import TOKENS
from acclimate.tokenizer.words import chosen_characters, count_words, repeated

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST_WORD = 200
"""Characters; a longer word becomes [UNK] whole."""
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_COARSE = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")


def wordpiece_with(vocabulary: dict[str, int], *, lowercase: bool) -> Tokenizer:
    """A WordPiece tokenizer with BERT's normaliser and pre-tokeniser: CJK characters and punctuation stand alone.

    With `lowercase` accents are stripped too, as BERT's uncased models do.
    """
    from tokenizers import Tokenizer, decoders, models

    model = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD)
    backend = bert_words(Tokenizer(model), lowercase=lowercase)
    backend.decoder = decoders.WordPiece(cleanup=False)
    return backend


def bert_words(backend: Tokenizer, *, lowercase: bool) -> Tokenizer:
    """The same tokenizer over BERT's words."""
    from tokenizers import normalizers, pre_tokenizers

    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend


def train_wordpiece(
    texts: Iterator[list[str]], vocab_size: int, *, lowercase: bool, tell: Tell, min_count: int = 2
) -> Tokenizer:
    """Pieces joined pair by pair, the most frequent first, as long as a pair occurs `min_count` times and there is
    room.
    """
    words = count_bert_words(texts, lowercase=lowercase, tell=tell)
    forms: Counter[str] = Counter()
    for word, count in words.items():
        for form in _forms(word):
            forms[form] += count
    chosen = chosen_characters(forms, vocab_size, vocab_size - len(TOKENS))
    known = set(chosen)
    spelt = Counter({word: count for word, count in words.items() if known.issuperset(_forms(word))})
    vocabulary = [
        *TOKENS,
        *chosen,
        *_merged(spelt, chosen, vocab_size - len(TOKENS) - len(chosen), min_count),
    ]
    return wordpiece_with({token: number for number, token in enumerate(vocabulary)}, lowercase=lowercase)


def count_bert_words(texts: Iterator[list[str]], *, lowercase: bool, tell: Tell) -> Counter[str]:
    """How often each of BERT's words occurs."""
    backend = wordpiece_with({"[UNK]": 0}, lowercase=lowercase)

    def expand(piece: str) -> list[str]:
        return [
            word
            for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(piece))
        ]

    return count_words(texts, _COARSE, expand, tell)


def _forms(word: str) -> list[str]:
    return [word[0], *("##" + character for character in word[1:])]


def _merged(words: Counter[str], forms: list[str], room: int, min_count: int) -> list[str]:
    """Up to `room` longer pieces, in the order they were found."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    # The trainer numbers `##` forms in hash order, and breaks ties by number: given as special tokens they are
    # numbered by us, and two trainings agree. It wants each character bare too; those that no word begins with are
    # given, and left out of the result.
    bare = sorted({form.removeprefix("##") if len(form) > 1 else form for form in forms} - set(forms))
    start = [*forms, *bare]
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(start) + room, min_frequency=min_count, special_tokens=start, show_progress=False
    )
    scratch = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    scratch.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    scratch.train_from_iterator(repeated(words, " "), trainer=trainer)
    found = sorted(scratch.get_vocab(with_added_tokens=False).items(), key=lambda item: item[1])
    return [token for token, _ in found[len(start) :]][:room]
