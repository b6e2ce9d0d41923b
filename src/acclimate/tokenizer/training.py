"""Training a tokenizer on the corpus, with BERT's special tokens whatever the algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

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


class Train(Component):
    """Learn the vocabulary from the training part of the corpus."""

    registered_as: ClassVar[tuple[str, str]] = ("tokenizer", "train")
    bare: ClassVar[str | None] = "algorithm"
    reads_corpus: ClassVar[bool] = True

    algorithm: Literal["wordpiece", "bpe", "unigram"] = "wordpiece"
    """wordpiece: BERT's, rare characters become [UNK]; bpe: over bytes, nothing is lost; unigram: SentencePiece's
    model, with bytes for what it does not know, nothing is lost."""
    vocab_size: Count = Field(default=16_000, ge=16)
    """Entries of the vocabulary, special tokens included."""
    lowercase: bool = False
    """Lower-case all text, for good; wordpiece strips accents too, as BERT's uncased models do."""
    least: Share = 0.5
    """Refuse when the corpus supports less than this share of `vocab_size`; above it, and up to 4,000 entries in any
    case, the vocabulary is as large as the corpus supports. 0% takes any size."""

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
        from acclimate.tokenizer.specials import finished

        backend = self._trained(texts, tell)
        size = backend.get_vocab_size()
        note = self._checked(size)
        finished(
            backend, spaced=self.algorithm != "wordpiece", model_max_length=model_max_length
        ).save_pretrained(str(folder))
        durable.write_json(
            folder / "training.json",
            {"algorithm": self.algorithm, "asked": self.vocab_size, "size": size, "note": note},
        )
        return load_tokenizer(str(folder))

    def _trained(self, texts: Iterator[list[str]], tell: Tell) -> Tokenizer:
        from acclimate.tokenizer import bpe, unigram, wordpiece

        smallest = {"wordpiece": len(TOKENS) + 1, "bpe": bpe.SMALLEST, "unigram": unigram.SMALLEST}[
            self.algorithm
        ]
        if self.vocab_size < smallest:
            raise UserError(
                f"vocab_size {self.vocab_size} is too small for {self.algorithm}: special tokens, bytes and the "
                f"characters to spell them take {smallest}; ask for more"
            )
        train = {
            "wordpiece": wordpiece.train_wordpiece,
            "bpe": bpe.train_bpe,
            "unigram": unigram.train_unigram,
        }
        return train[self.algorithm](_some(texts), self.vocab_size, lowercase=self.lowercase, tell=tell)

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
