"""How finely a tokenizer cuts text: the figures that tell whether its vocabulary fits the domain."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acclimate.tokenizer.encoding import Encoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# A word is a run of letters and digits; scripts written without spaces count by the character.
_SOUTH_EAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_UNSPACED = _SOUTH_EAST_ASIAN + "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


@dataclass(frozen=True)
class Fertility:
    """Counts over some texts, special tokens left out; ratios are 0 when there is nothing to divide by."""

    documents: int
    characters: int
    bytes: int
    words: int
    tokens: int
    unknown: int
    """Tokens that are [UNK]: text that the tokenizer cannot spell."""

    @property
    def tokens_per_document(self) -> float:
        return self.tokens / self.documents if self.documents else 0.0

    @property
    def tokens_per_word(self) -> float:
        return self.tokens / self.words if self.words else 0.0

    @property
    def tokens_per_byte(self) -> float:
        return self.tokens / self.bytes if self.bytes else 0.0

    @property
    def unknown_share(self) -> float:
        return self.unknown / self.tokens if self.tokens else 0.0


def fertility(tokenizer: PreTrainedTokenizerFast, texts: Iterable[list[str]]) -> Fertility:
    """Counted over batches of texts; memory is that of a batch."""
    encoder = Encoder(tokenizer, literal=True)
    documents = characters = size = words = tokens = unknown = 0
    for batch in texts:
        ids, _ = encoder.encode(batch)
        documents += len(batch)
        characters += sum(map(len, batch))
        size += sum(len(text.encode()) for text in batch)
        words += sum(len(_WORD.findall(text)) for text in batch)
        tokens += len(ids)
        if tokenizer.unk_token_id is not None:
            unknown += int((ids == tokenizer.unk_token_id).sum())
    return Fertility(documents, characters, size, words, tokens, unknown)
