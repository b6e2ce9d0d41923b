"""The task on pairs of sentences as a recipe states it: what one says of the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.transfer.classes.classification import Classification
from acclimate.transfer.task import Metric
from acclimate.transfer.vectors.vector_settings import Vector

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row


class Pairs(Classification):
    """Classification of pairs of sentences, such as entailment or paraphrase.

    A cross-encoder reads both at once and is `classification` with a `pair`. A bi-encoder reads one by one and
    classifies [u; v; |u − v|] of their vectors (Reimers and Gurevych 2019): worse, as a rule, but vectors can be made
    beforehand.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "pairs")
    shaping: ClassVar[tuple[str, ...]] = (*Classification.shaping, "without")
    tuning: ClassVar[tuple[str, ...]] = (*Classification.tuning, "encoder", "vector")

    pair: Column = "pair"
    """Column of the second text."""
    without: list[str] = Field(default=[])
    """Labels whose pairs are left out (`unwanted_label`), such as `-` in OCNLI and SNLI: nobody agreed on one."""
    encoder: Literal["cross", "bi"] = "cross"
    """`cross`: both texts in one sequence; `bi`: each to a vector by the same weights."""
    vector: Vector | None = None
    """With `encoder: bi`: what a text's vector is made of, the mean of its tokens' vectors unless given.
    `sequence_length` then is that of each text."""
    metric: Metric = Field(default="accuracy")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=["accuracy", "macro_f1", "mcc"])  # type: ignore[list-item]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="after")
    def _encoder_fits(self) -> Pairs:
        if self.pair == self.text:
            raise problem(f"pair: column {self.pair!r} is the first text's own", at=("pair",))
        if self.encoder == "cross" and self.vector is not None:
            raise problem("vector: goes with `encoder: bi`", at=("vector",))
        if self.encoder == "bi":
            if self.multi_label:
                raise problem("multi_label: a bi-encoder tells one class of several", at=("multi_label",))
            if self.class_weights != "none":
                raise problem("class_weights: goes with `encoder: cross`", at=("class_weights",))
        return self

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "classification" if self.encoder == "cross" else "encoder"

    @property
    def scores(self) -> bool:  # type: ignore[override]
        return self.encoder == "cross"

    @property
    def one_row(self) -> bool:  # type: ignore[override]
        return self.encoder == "cross"

    @property
    def purpose(self) -> str:
        return "classification" if self.encoder == "cross" else "vectors"

    def row(self, record: Record) -> Row | Dropped:
        """A row with two texts and a label that is wanted."""
        from acclimate.corpus.document import Dropped

        made = super().row(record)
        if not isinstance(made, Dropped) and (unwanted := set(made.labels) & set(self.without)):
            return Dropped("unwanted_label", record.place, f"{self.label!r} is {unwanted.pop()!r}")
        return made

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
        if self.encoder == "cross":
            return super().build(names=names, tokenizer=tokenizer, seed=seed)
        from acclimate.transfer.classes.pair_classes import PairClasses

        return PairClasses(
            tokenizer, sequence_length=self.sequence_length, pooling=(self.vector or Vector()).build()
        )

    def furnish(
        self, model: PreTrainedModel, *, names: Sequence[str], seed: int, source: Path | None = None
    ) -> None:
        """A bi-encoder's projection onto the classes."""
        if self.encoder == "cross":
            super().furnish(model, names=names, seed=seed, source=source)
        else:
            from acclimate.models.forward import width
            from acclimate.models.kept_parts import weights_below
            from acclimate.objectives.softmax_pairs import HEAD, add_pair_classifier

            size = (self.vector or Vector()).build().width(width(model))
            weights = None if source is None else weights_below(source, HEAD)
            add_pair_classifier(model, size, len(names), seed, weights)

    def finish(self, model: PreTrainedModel, learnt: Examples) -> None:
        if self.encoder == "bi":
            from acclimate.transfer.vectors.text_vectors import note_pooling

            note_pooling(model, (self.vector or Vector()).build())
