"""The generation task as a recipe states it: going on with a text, freely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from acclimate.corpus.document import comparable
from acclimate.models.decoding import Decoding
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Share
from acclimate.transfer.task import Metric
from acclimate.transfer.writing.writing_task import Writing

if TYPE_CHECKING:
    from acclimate.corpus.document import Dropped, Record
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row

_METRICS = ("log_likelihood", "distinct_1", "distinct_2", "distinct_4")


class Generation(Writing):
    """Free generation: the beginning of a text, and how it goes on.

    There is no one right continuation, so none is compared with the model's. What is measured is how likely the true
    one is to the model, and how much what it writes repeats itself, beside how much the true ones do.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "generation")
    shaping: ClassVar[tuple[str, ...]] = ("target", "given")
    measured_by: ClassVar[tuple[str, ...]] = (*_METRICS, "rouge_l", "bleu", "chrf")
    joined: ClassVar[bool] = True
    baselines: ClassVar[tuple[str, ...]] = ()

    target: Column | list[Column] | None = None  # type: ignore[assignment]
    """Column of the continuation, or columns of several; left out, each text is parted in two."""
    given: Share | None = None
    """Without `target`: the share of a text's characters that is given, 50% unless given; it is cut at a word's end."""
    decoding: Decoding = Decoding(top_p=0.9)
    """How texts are looked for: drawn by default, for the likeliest continuation of all repeats itself (Holtzman et al.
    2020). What is drawn hangs on the recipe's seed alone."""
    metric: Metric = Field(default="log_likelihood")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="before")
    @classmethod
    def _fill_given(cls, value: Any) -> Any:
        if (
            not isinstance(value, Mapping)
            or value.get("target") is not None
            or value.get("given") is not None
        ):
            return value
        return {**value, "given": 0.5}

    @model_validator(mode="after")
    def _one_way(self) -> Generation:
        if self.target is not None and self.given is not None:
            raise problem(
                "given: parts a text, and `target` names where its continuation stands", at=("given",)
            )
        if self.given is not None and not 0 < self.given < 1:
            raise problem("given: expected more than 0% and less than 100%", at=("given",))
        return self

    @property
    def targets(self) -> list[Column]:
        return [] if self.target is None else super().targets

    def keys(self, examples: Examples) -> set[tuple[str, str]]:
        """Of texts that are parted here, the whole."""
        if self.given is None:
            return super().keys(examples)
        pairs = zip(examples.texts, examples.more, strict=True)
        return {(comparable(text), comparable(more["targets"][0])) for text, more in pairs}

    def row(self, record: Record) -> Row | Dropped:
        """A row with a beginning; its continuations are `more["targets"]`."""
        from acclimate.transfer.writing.written_rows import halved

        if self.given is None:
            return super().row(record)
        return halved(record, text=self.text, given=self.given)
