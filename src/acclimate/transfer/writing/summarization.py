"""The summarization task as a recipe states it; headlines are short summaries."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from acclimate.recipe.units import Share
from acclimate.transfer.task import Metric
from acclimate.transfer.writing.writing_task import Writing

_METRICS = ("rouge_1", "rouge_2", "rouge_l")


class Summarization(Writing):
    """Summaries and headlines: a long text, and what is essential of it in a few words.

    Judged by ROUGE (Lin 2004), beside the beginning of the source (`lead`), a baseline that is hard to beat.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "summarization")
    measured_by: ClassVar[tuple[str, ...]] = (*_METRICS, "bleu", "chrf", "exact_text")
    baselines: ClassVar[tuple[str, ...]] = ("lead",)

    smoothing: Share = 0.1
    """ε of the training targets (1 − ε)·y + ε/V (Szegedy et al. 2016); held-out ones are always judged without."""
    metric: Metric = Field(default="rouge_l")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""
