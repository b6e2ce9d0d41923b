"""Words replaced by what a masked language model would put there (Wu et al. 2019; Kobayashi 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.corpus.augment.augmentation import Augmentation, Augmenter, Copy
from acclimate.corpus.augment.edits import Edit, Labelled, edited
from acclimate.corpus.words import is_unspaced
from acclimate.errors import UserError
from acclimate.recipe.paths import DataPath
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_BATCH = 32
_CANDIDATES = 64
"""Tokens that are looked at for a place, most of which may be no words of their own."""


class Masked(Augmentation):
    """Words give way to others that a masked language model finds likely there (Kobayashi 2018; Wu et al. 2019).

    Only words that are one token are asked for, and only tokens that are a word by themselves are put in; of Chinese
    a word is a character where the tokenizer has it so. The model does not know the label: where one word decides
    it, keep `share` small.
    """

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "masked")
    bare: ClassVar[str | None] = "model"
    places: ClassVar[tuple[str, ...]] = ("model",)
    uses_model: ClassVar[bool] = True

    model: DataPath
    """Folder of a masked language model with its tokenizer, such as `model/` of another run."""
    share: Share = 0.15
    """Share of the words that is asked for, one at least."""
    nearest: int = Field(default=10, ge=1, le=_CANDIDATES)
    """How many of the likeliest words are drawn from, in proportion to their probability."""
    length: int = Field(default=256, ge=8, le=8192)
    """Tokens of a text that the model sees; what stands behind them stays as it is."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        from acclimate.models.loading import load_model
        from acclimate.tokenizer.loading import load_tokenizer

        _require_folder(self.model)
        tokenizer = load_tokenizer(self.model)
        if tokenizer.mask_token_id is None:
            raise UserError(
                f"{self.model}: its tokenizer has no mask token, so it is no masked language model"
            )
        return _Replacing(self, load_model(self.model, "mlm").eval(), tokenizer)


@dataclass(frozen=True)
class _Asked:
    """What is asked of the model for one copy."""

    copy: Copy
    ids: list[int]
    """With the mask token where a word is asked for."""
    spans: list[tuple[int, int, int]]
    """(place among the ids, first and last character of the word) of each."""


class _Replacing:
    def __init__(self, settings: Masked, model: PreTrainedModel, tokenizer: Any) -> None:
        self._settings, self._model, self._tokenizer = settings, model, tokenizer
        self._whole = {
            number: word for number, word in _words(tokenizer).items() if number < model.config.vocab_size
        }

    def __call__(self, copies: Sequence[Copy]) -> list[Labelled]:
        made = [copy.source for copy in copies]
        asked = [(at, one) for at, copy in enumerate(copies) if (one := self._ask(copy)) is not None]
        for start in range(0, len(asked), _BATCH):
            batch = asked[start : start + _BATCH]
            for (at, one), edits in zip(batch, self._answered([one for _, one in batch]), strict=True):
                made[at] = edited(one.copy.source, edits)
        return made

    def _ask(self, copy: Copy) -> _Asked | None:
        text = copy.source.text
        found = self._tokenizer(
            text, truncation=True, max_length=self._settings.length, return_offsets_mapping=True
        )
        ids, places = list(found["input_ids"]), []
        offsets = found["offset_mapping"]
        for at, (start, end) in enumerate(offsets):
            while start < end and text[start].isspace():
                start += 1
            joined = (
                at + 1 < len(offsets) and offsets[at + 1][0] == end and not self._starts_word(ids[at + 1])
            )
            if start < end and ids[at] in self._whole and not joined and copy.source.free(start, end):
                places.append((at, start, end))
        if not places:
            return None
        count = max(1, int(self._settings.share * len(places)))
        chosen = sorted(copy.random.sample(places, count))
        for at, _, _ in chosen:
            ids[at] = self._tokenizer.mask_token_id
        return _Asked(copy, ids, chosen)

    def _starts_word(self, id: int) -> bool:
        return id in self._whole or not self._tokenizer.decode([id]).strip("#").strip().isalnum()

    def _answered(self, batch: Sequence[_Asked]) -> list[list[Edit]]:
        import torch

        longest = max(len(one.ids) for one in batch)
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([one.ids + [pad] * (longest - len(one.ids)) for one in batch])
        mask = torch.tensor([[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in batch])
        with torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=mask).logits
        return [self._drawn(one, logits[row]) for row, one in enumerate(batch)]

    def _drawn(self, one: _Asked, logits: torch.Tensor) -> list[Edit]:
        edits = []
        for at, start, end in one.spans:
            old = one.copy.source.text[start:end]
            top = logits[at].float().softmax(dim=-1).topk(min(_CANDIDATES, logits.shape[-1]))
            likely = [
                (self._whole[number], probability)
                for number, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True)
                if number in self._whole and self._whole[number].casefold() != old.casefold()
            ][: self._settings.nearest]
            if likely:
                words, weights = zip(*likely, strict=True)
                edits.append(Edit(start, end, one.copy.random.choices(words, weights)[0]))
        return edits


def _words(tokenizer: Any) -> dict[int, str]:
    """Token ids that stand for a whole word, and the word: no pieces of words, no marks, nothing special."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    special = set(tokenizer.all_special_ids)
    pieces = {token.removeprefix("##") for token in vocabulary if token.startswith("##")}
    marked = any(token.startswith(("▁", "Ġ")) for token in vocabulary)
    found = {}
    for token, number in vocabulary.items():
        word = tokenizer.decode([number]).strip()
        # Where words are marked at their beginning, an unmarked token continues one, but for scripts without spaces.
        begins = not marked or token.startswith(("▁", "Ġ")) or is_unspaced(word)
        is_piece = bool(pieces) and token.startswith("##")
        if number not in special and begins and not is_piece and word.isalpha():
            found[number] = word
    return found


def _require_folder(path: str) -> None:
    if not Path(path).is_dir():
        raise UserError(f"{path}: there is no such model folder")
