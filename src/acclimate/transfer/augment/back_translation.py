"""Texts translated to another language and back (Sennrich et al. 2016; Edunov et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from acclimate.corpus.augment.augmentation import Augmentation, Augmenter, Copy
from acclimate.corpus.augment.edits import Labelled
from acclimate.errors import UserError
from acclimate.recipe.paths import DataPath

_BATCH = 16


class Translate(Augmentation):
    """Texts go to another language and back, words drawn by their probability, so that copies differ (Edunov et al.
    2018).

    Takes two translation models of Transformers. A text with labelled spans stays as it is: nobody knows where they
    would come out.
    """

    registered_as: ClassVar[tuple[str, str]] = ("augmentation", "translate")
    places: ClassVar[tuple[str, ...]] = ("to", "back")
    uses_model: ClassVar[bool] = True

    to: DataPath
    """Folder of a sequence-to-sequence model with its tokenizer, from the texts' language to another one."""
    back: DataPath
    """Folder of such a model for the way back."""
    temperature: float = Field(default=0.8, gt=0, le=2)
    """How freely words are drawn: towards 0 the likeliest, above 1 wildly."""
    length: int = Field(default=256, ge=8, le=4096)
    """Longest text in tokens, there and back; longer ones are cut."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        models = [_Translator(place, self) for place in (self.to, self.back)]

        def augment(copies: Sequence[Copy]) -> list[Labelled]:
            made = [copy.source for copy in copies]
            plain = [at for at, copy in enumerate(copies) if not copy.source.spans]
            for start in range(0, len(plain), _BATCH):
                batch = plain[start : start + _BATCH]
                seeds = [copies[at].random.getrandbits(63) for at in batch]
                said = [copies[at].source.text for at in batch]
                for model in models:
                    said = [model(text, seed) for text, seed in zip(said, seeds, strict=True)]
                for at, text in zip(batch, said, strict=True):
                    made[at] = Labelled(text)
            return made

        return augment


class _Translator:
    """One model; each text by itself, for what is drawn may hang on nothing else."""

    def __init__(self, folder: str, settings: Translate) -> None:
        from transformers import AutoModelForSeq2SeqLM

        from acclimate.tokenizer.loading import load_tokenizer

        if not Path(folder).is_dir():
            raise UserError(f"{folder}: there is no such model folder")
        self._settings = settings
        self._tokenizer = load_tokenizer(folder)
        try:
            self._model: Any = AutoModelForSeq2SeqLM.from_pretrained(
                folder, use_safetensors=True, trust_remote_code=False, local_files_only=True
            ).eval()
        except (OSError, ValueError) as error:
            raise UserError(
                f"{folder}: no translation model can be loaded: {str(error).splitlines()[0]}"
            ) from error

    def __call__(self, text: str, seed: int) -> str:
        import torch

        from acclimate.models.building import seeded

        inputs = self._tokenizer(
            text,
            truncation=True,
            max_length=self._settings.length,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        with torch.inference_mode(), seeded(seed):
            out = self._model.generate(
                **inputs,
                do_sample=True,
                num_beams=1,
                temperature=self._settings.temperature,
                max_new_tokens=self._settings.length,
            )
        return str(self._tokenizer.decode(out[0], skip_special_tokens=True)).strip()
