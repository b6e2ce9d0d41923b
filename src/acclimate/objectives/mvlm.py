"""Masked visual-language modelling (Xu et al. 2020): words are hidden, the model sees where on the page they stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from acclimate.batching.packed import Sequences
from acclimate.objectives.mlm import Mlm, with_words
from acclimate.objectives.protocol import Mark, Texts
from acclimate.progress import Tell
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.batching.form_store import FormStore

Reader = Annotated[Component, Part("reader", default="funsd")]


class FormSplit(Settings):
    """Shares of the forms that are held out, by a hash of their text: more data move none."""

    validation: Share = 0.1
    """Held out for validation."""
    test: Share = 0.1
    """Held out for the final figures."""

    @model_validator(mode="after")
    def _leave_some(self) -> FormSplit:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class Mvlm(Mlm):
    """Masked visual-language modelling: `mlm` on the words of pages, whose boxes the model keeps on seeing.

    Input: windows of a page's tokens [T] with the boxes [T, 4] of their words in thousandths of the page; asked for:
    the tokens hidden, as by `mlm`; a page longer than a sequence is cut between words. Requires: a masked language
    model that takes boxes (family layoutlm); Pillow (the extra `vision`) where pages have images. The loss is no
    likelihood of the text, for the boxes tell of it: bits per byte are not stated.
    Source: Xu et al. 2020, "LayoutLM".
    Example: `objective: {mvlm: {forms: {path: funsd/annotations.tar.gz}}}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("objective", "mvlm")
    bare: ClassVar[str | None] = None
    gives: ClassVar[tuple[str, ...]] = ("boxes",)
    likelihood: ClassVar[Literal["every", "some"] | None] = None

    forms: Reader
    """The pages, their words and boxes: the reader `funsd`."""
    boxes: Literal["pixels", "thousandths"] = "pixels"
    """What boxes are counted in. pixels: of the page's image where it stands beside, else a page reaches as far as its
    boxes do; thousandths: of the page, already. Words whose box leaves the page or ends before it begins are dropped
    (`box_outside`, `box_reversed`)."""
    split: FormSplit = Field(default=FormSplit())
    """Which shares are held out."""

    @property
    def marks(self) -> frozenset[Mark]:
        return frozenset()  # the corpus's: forms bring their own words

    @property
    def data(self) -> Component | None:
        return self.forms

    def write(
        self, folder: Path, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int, tell: Tell
    ) -> dict[str, Any]:
        """A form store for each part. What is counted are words; a form that cannot be read counts as one."""
        from acclimate.artifacts import durable
        from acclimate.batching.form_store import FormWriter
        from acclimate.corpus.forms import Forms
        from acclimate.corpus.split import SPLITS, split_hash, split_of

        forms = Forms(self.forms.build(), self.boxes)
        writers = {part: FormWriter(forms, tokenizer, sequence_length) for part in SPLITS}
        for done, form in enumerate(forms, 1):
            key = split_hash(form.text or " ".join(form.words))
            writers[split_of(key, self.split.validation, self.split.test)].add(form)
            tell(done, None, "forms")
        parts = {part: writer.write(folder / part) for part, writer in writers.items()}
        durable.write_text(folder / "dropped.jsonl", forms.account.samples_jsonl())
        return {**forms.account.totals(), "parts": parts}

    def store(  # type: ignore[override]
        self, texts: Texts, *, tokenizer: PreTrainedTokenizerFast, sequence_length: int, seed: int
    ) -> FormStore:
        from acclimate.batching.form_store import FormStore

        assert texts.own is not None
        return FormStore(texts.own, tokenizer)

    def stand_in(self, sequences: Sequences) -> Sequences:
        boxes = np.full((len(sequences.tokens), 4), 500, np.int64)
        worded = with_words(sequences)
        return replace(worded, by_token={**worded.by_token, "boxes": boxes})
