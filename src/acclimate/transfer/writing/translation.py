"""The translation task as a recipe states it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.models.decoding import Decoding
from acclimate.recipe.columns import Column
from acclimate.recipe.units import Share
from acclimate.transfer.task import Metric
from acclimate.transfer.writing.writing_task import Writing

if TYPE_CHECKING:
    from acclimate.transfer.writing.composing import Layout

_METRICS = ("bleu", "chrf")


class Translation(Writing):
    """Translation: a text in one language, and the same in another.

    Judged by BLEU (Papineni et al. 2002) and chrF (Popović 2015). The objective of the same name pretrains a model by
    such pairs; the task tunes one that exists.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "translation")
    tuning: ClassVar[tuple[str, ...]] = (*Writing.tuning, "languages")
    measured_by: ClassVar[tuple[str, ...]] = (*_METRICS, "rouge_l", "exact_text")

    text: Column = 0
    """Column of the source, by name or by number from 0; readers of parallel text call it as their side. A JSON list
    of texts is joined by spaces."""
    target: Column | list[Column] = 1
    """Column of the translation, or columns of several; those that a record has count. A JSON list is several."""
    languages: tuple[str, str] | None = None
    """Tokens of the tokenizer that name the two languages, such as `[en_XX, de_DE]`, for models that write several."""
    smoothing: Share = 0.1
    """ε of the training targets (1 − ε)·y + ε/V (Vaswani et al. 2017); held-out ones are always judged without."""
    decoding: Decoding = Decoding(max_ratio=2.0)
    """How translations are looked for."""
    metric: Metric = Field(default="bleu")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""

    def idle(self) -> tuple[str, str] | None:
        if self.languages is not None and self.kind == "clm":
            return "languages", "are for encoder-decoders; a causal model is told by `prefix` and `separator`"
        return super().idle()

    def layout(self) -> Layout:
        return replace(super().layout(), languages=self.languages)
