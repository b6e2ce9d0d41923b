"""Training a tokenizer on the corpus, with BERT's special tokens whatever the algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from acclimate.artifacts import durable
from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count, Share
from acclimate.tokenizer.specials import TOKENS

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SMALL = 4_000
"""Vocabularies up to this size are never refused as too large for the corpus."""


Algorithm = Literal["wordpiece", "bpe", "character_bpe", "unigram", "character", "word", "spaced_word"]
_SEGMENTED = ("bpe", "character_bpe", "unigram")
_SPACED = ("bpe", "character_bpe", "unigram", "character")
"""Whose tokens hold the spaces of the text."""


class Train(Component):
    """Learn the vocabulary from the training part of the corpus."""

    registered_as: ClassVar[tuple[str, str]] = ("tokenizer", "train")
    bare: ClassVar[str | None] = "algorithm"
    reads_corpus: ClassVar[bool] = True

    algorithm: Algorithm = "wordpiece"
    """wordpiece: BERT's, rare characters become [UNK]; bpe: over bytes, as GPT-2's; character_bpe: over characters,
    with bytes for rare ones, as Llama's; unigram: SentencePiece's model, with bytes for rare characters; character: one
    token each; word: one token each, Chinese character by character; spaced_word: one token each as white space parts
    them, a line end is `</s>`, for texts that are cut already. bpe, character_bpe and unigram lose nothing."""
    vocab_size: Count = Field(default=16_000, ge=16)
    """Entries of the vocabulary, special tokens included."""
    lowercase: bool = False
    """Lower-case all text, for good; wordpiece strips accents too, as BERT's uncased models do."""
    min_count: Count | None = Field(default=None, ge=1)
    """What occurs less often is not learnt: pairs of wordpiece and both BPE (2 unless given), words of word (2) and
    spaced_word (1), characters of character (1). Unigram has no such bound."""
    pre_segment: Literal["jieba"] | None = None
    """Find words of Chinese first, so that no token learnt crosses one; for bpe, character_bpe and unigram. Only
    learning needs the segmenter: the tokenizer works without it, and may then join what a word's end should part."""
    least: Share = 0.5
    """Refuse when the corpus supports less than this share of `vocab_size`; above it, and up to 4,000 entries in any
    case, the vocabulary is as large as the corpus supports. 0% takes any size."""

    @model_validator(mode="after")
    def _fitting(self) -> Train:
        if self.pre_segment and self.algorithm not in _SEGMENTED:
            raise ValueError(
                f"pre_segment has no effect on {self.algorithm}, which takes Chinese character by character; "
                f"it is for {', '.join(_SEGMENTED)}"
            )
        if self.min_count is not None and self.algorithm == "unigram":
            raise ValueError("min_count has no effect on unigram, which prunes by likelihood; leave it out")
        return self

    @field_validator("vocab_size")
    @classmethod
    def _storable(cls, value: int) -> int:
        if value >= 2**31:
            raise ValueError(f"expected fewer than 2**31 entries, found {value}")
        return value

    def build(
        self,
        *,
        texts: Iterator[list[str]],
        folder: Path,
        tell: Tell = silent,
        model_max_length: int | None = None,
    ) -> PreTrainedTokenizerFast:
        """Train on the texts, in one pass, and save into the folder: what `AutoTokenizer` needs, and `training.json`.

        `training.json` says what was asked, what came out, and in `note` why that is less, where it is. The same texts
        give the same files. Raises UserError when there is no text, when `vocab_size` is below what the algorithm
        needs, and when it is above what the corpus supports (see `least`), naming the number that it does support.
        """
        from acclimate.tokenizer.loading import load_tokenizer
        from acclimate.tokenizer.spaced_words import finished_words
        from acclimate.tokenizer.specials import finished

        backend = self._trained(texts, tell)
        size = backend.get_vocab_size()
        note = self._checked(size)
        if self.algorithm == "spaced_word":
            tokenizer = finished_words(backend, model_max_length=model_max_length)
        else:
            spaced = self.algorithm in _SPACED
            tokenizer = finished(backend, spaced=spaced, model_max_length=model_max_length)
        tokenizer.save_pretrained(str(folder))
        durable.write_json(
            folder / "training.json",
            {"algorithm": self.algorithm, "asked": self.vocab_size, "size": size, "note": note},
        )
        return load_tokenizer(str(folder))

    def _trained(self, texts: Iterator[list[str]], tell: Tell) -> Tokenizer:
        from acclimate.tokenizer import (
            bpe,
            character_bpe,
            characters,
            segmenting,
            spaced_words,
            unigram,
            whole_words,
            wordpiece,
        )

        trainers: dict[str, tuple[Any, int]] = {
            "wordpiece": (wordpiece.train_wordpiece, len(TOKENS) + 1),
            "bpe": (bpe.train_bpe, bpe.SMALLEST),
            "character_bpe": (character_bpe.train_character_bpe, character_bpe.SMALLEST),
            "unigram": (unigram.train_unigram, unigram.SMALLEST),
            "character": (characters.train_character, len(TOKENS) + 1),
            "word": (whole_words.train_word, len(TOKENS) + 1),
            "spaced_word": (spaced_words.train_spaced_word, 3),
        }
        train, smallest = trainers[self.algorithm]
        if self.vocab_size < smallest:
            raise UserError(
                f"vocab_size {self.vocab_size} is too small for {self.algorithm}: special tokens, bytes and the "
                f"characters to spell them take {smallest}; ask for more"
            )
        options: dict[str, Any] = {} if self.min_count is None else {"min_count": self.min_count}
        if self.pre_segment:
            cut = segmenting.chinese_words()
            options["segment"] = cut if self.algorithm == "bpe" else segmenting.spaced_with_words(cut)
        return train(_some(texts), self.vocab_size, lowercase=self.lowercase, tell=tell, **options)

    def _checked(self, size: int) -> str | None:
        """A note when the vocabulary came out smaller than asked; UserError when it is too small."""
        if size >= self.vocab_size:
            return None
        found = (
            f"vocab_size {self.vocab_size} is larger than the corpus supports: {self.algorithm} found {size}"
        )
        if size < self.least * self.vocab_size and self.vocab_size > SMALL:
            raise UserError(f"{found} entries; ask for at most {size}, or for `least: 0%`, or give more text")
        return f"{found} entries, which is what it has now"


def _some(texts: Iterator[list[str]]) -> Iterator[list[str]]:
    """Passes texts on. Raises UserError at the end when there was nothing but white space."""
    any_text = False
    for batch in texts:
        any_text = any_text or any(map(str.strip, batch))
        yield batch
    if not any_text:
        raise UserError(
            "there is no text to train the tokenizer on: the training part of the corpus is empty"
        )
