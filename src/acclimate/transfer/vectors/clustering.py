"""The clustering task as a recipe states it: do texts of one class lie together in the model as it is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from acclimate.recipe.columns import Column
from acclimate.recipe.roles import Reader
from acclimate.recipe.settings import Component, Part, problem
from acclimate.recipe.units import Length
from acclimate.transfer.examples.task_sources import source_text
from acclimate.transfer.methods.untrained import Untrained
from acclimate.transfer.task import Answers, Metric, TaskSettings
from acclimate.transfer.vectors.vector_settings import Vector

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.clusters import Clusters
    from acclimate.models.building import Labels
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row
    from acclimate.transfer.vectors.clustered import Clustered

Method = Annotated[Component, Part("cluster")]


class Clustering(TaskSettings):
    """Clusters of the texts' vectors by the model as it is, compared with the classes that people gave.

    Nothing is trained: with and without the pretraining, the figures tell what it put into the vectors. Each seed is
    another draw of k-means' starts, and of the random weights of a model that is not pretrained.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "clustering")
    kind: ClassVar[str] = "encoder"
    only_judged: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("text", "label")
    tuning: ClassVar[tuple[str, ...]] = ("method", "vector", "unit")
    measured_by: ClassVar[tuple[str, ...]] = ("nmi", "ari")

    # What only training has.
    train: ClassVar[None] = None  # type: ignore[misc]
    validation: ClassVar[None] = None  # type: ignore[misc]
    test: ClassVar[None] = None  # type: ignore[misc]
    split: ClassVar[None] = None  # type: ignore[misc]
    hold_out: ClassVar[None] = None  # type: ignore[misc]
    near: ClassVar[None] = None  # type: ignore[misc]
    learn_from: ClassVar[None] = None  # type: ignore[misc]
    header: ClassVar[bool] = True  # type: ignore[misc]
    format: ClassVar[str] = "auto"  # type: ignore[misc]
    encoding: ClassVar[str] = "auto"  # type: ignore[misc]
    independent_test: ClassVar[None] = None  # type: ignore[misc]
    transfer: ClassVar[Untrained] = Untrained()  # type: ignore[misc]
    length: ClassVar[Length] = Length(0, "steps")  # type: ignore[misc]
    batch: ClassVar[None] = None  # type: ignore[misc]
    optimizer: ClassVar[None] = None  # type: ignore[misc]
    schedule: ClassVar[None] = None  # type: ignore[misc]
    gradients: ClassVar[tuple[()]] = ()  # type: ignore[misc]
    regularise: ClassVar[tuple[()]] = ()  # type: ignore[misc]
    average: ClassVar[None] = None  # type: ignore[misc]
    patience: ClassVar[None] = None  # type: ignore[misc]
    before: ClassVar[tuple[()]] = ()  # type: ignore[misc]
    keep: ClassVar[None] = None  # type: ignore[misc]

    data: Reader
    """The labelled texts: `{path: …}` or a named reader. All of them are clustered and judged."""
    text: Column = "text"
    """Column of the text."""
    label: Column = "label"
    """Column of the class that people gave."""
    method: Method = Field(default="kmeans")  # type: ignore[assignment]
    """How clusters are found."""
    vector: Vector = Field(default=Vector())
    """What a text's vector is made of."""
    unit: bool = True
    """Whether vectors are brought to length 1 first, so that what counts is their cosine."""
    sequence_length: int = Field(default=128, ge=8)
    """Longest text in tokens, special ones included; longer ones are cut."""
    seeds: int = Field(default=3, ge=1, le=100)
    """How many times clusters are looked for in each arm."""
    metric: Metric = Field(default="nmi")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=["nmi", "ari"])  # type: ignore[list-item]
    """What is measured; the verdict's metric always is."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("data") is None:
            return value
        data, text = source_text(value["data"], value.get("text"))
        return {**value, "data": data, **({} if text is None else {"text": text})}

    @model_validator(mode="after")
    def _one_origin(self) -> Clustering:
        if self.label == self.text:
            raise problem(f"label: column {self.label!r} is the text's own", at=("label",))
        return self

    @model_validator(mode="after")
    def _no_idle_setting(self) -> Clustering:
        return self

    @property
    def purpose(self) -> str:
        return "vectors"

    def row(self, record: Record) -> Row | Dropped:
        """A row with a text and a label."""
        from acclimate.transfer.examples.labels import labelled_row

        return labelled_row(record, text=self.text, pair=None, label=self.label, separator=None)

    def names(self, rows: Sequence[Row]) -> list[str]:
        from acclimate.transfer.examples.labels import class_names

        return class_names(rows, column=self.label, several=False)

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Number of texts of each class."""
        from acclimate.transfer.examples.labels import counted

        return {"class_counts": {"test": counted(rows["test"], names)}}

    def labels(self, names: Sequence[str]) -> Labels | None:
        return None

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Clustered:
        from acclimate.transfer.vectors.clustered import Clustered

        return Clustered(
            tokenizer,
            sequence_length=self.sequence_length,
            pooling=self.vector.build(),
            unit_length=self.unit,
            find=self.method.build(classes=len(names), seed=seed),  # type: ignore[attr-defined]
        )

    def finish(self, model: PreTrainedModel, learnt: Examples) -> None:
        from acclimate.transfer.vectors.text_vectors import note_pooling

        note_pooling(model, self.vector.build())

    def accompany(self, folder: Path, model: PreTrainedModel) -> None:
        """What sentence-transformers needs to make the same vectors."""
        from acclimate.models.forward import width
        from acclimate.transfer.vectors.text_vectors import sentence_transformers_files

        sentence_transformers_files(folder, self.vector.build(), width(model), self.sequence_length)

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Clusters:
        from acclimate.evaluate.clusters import Clusters

        return Clusters(examples.labels, answers["clusters"])

    def details(self, names: Sequence[str], examples: Examples, outcomes: Clusters) -> dict[str, Any]:
        """Every cluster with its commonest class, and texts with the class of their cluster."""
        from acclimate.evaluate.clusters import details

        return details(names, examples.shown(), outcomes)
