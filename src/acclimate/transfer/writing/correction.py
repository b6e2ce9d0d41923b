"""The correction task as a recipe states it: grammar, and spelling."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from acclimate.models.decoding import Decoding
from acclimate.transfer.task import Metric
from acclimate.transfer.writing.writing_task import Writing

_SPELLING = tuple(
    f"{what}_{how}" for what in ("detection", "correction") for how in ("precision", "recall", "f1")
)


class Correction(Writing):
    """Correction of grammar or spelling: a text with errors, and the same without.

    Grammar is judged by GLEU (Napoles et al. 2015, 2016), spelling sentence by sentence as SIGHAN's tasks are (Wu et
    al. 2013), both beside the source as it is (`copy`): most of a text is right, so that doing nothing scores high.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "correction")
    measured_by: ClassVar[tuple[str, ...]] = (
        "gleu",
        *_SPELLING,
        "character_detection_f1",
        "character_correction_f1",
        "exact_text",
        "bleu",
        "chrf",
        "rouge_l",
    )

    decoding: Decoding = Decoding(max_ratio=1.5)
    """How corrections are looked for."""
    metric: Metric = Field(default="gleu")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=["gleu", "detection_f1", "correction_f1", "exact_text"])  # type: ignore[list-item]
    """What is measured on the test; the verdict's metric always is."""
