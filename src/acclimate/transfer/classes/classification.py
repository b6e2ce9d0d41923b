"""The classification task as a recipe states it: which examples, how the model is tuned to them, what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import Component, Part, problem
from acclimate.transfer.task import Answers, Metric, TaskSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.outcomes import Outcomes
    from acclimate.models.building import Labels
    from acclimate.transfer.classes.classifying import Classifying
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row

Augmented = Annotated[Component, Part("augmentation")]
Smoothing = Annotated[Component, Part("smoothing")]

_METRICS = (
    "accuracy",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "micro_f1",
    "micro_precision",
    "micro_recall",
    "auc",
)
_FITTING = (*_METRICS, "f1", "mcc")


class Classification(TaskSettings):
    """Classification of texts or pairs of texts, into one of several classes or with several labels at once.

    The classes are those of the training part. The loss is cross entropy, with several labels binary cross entropy of
    each.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "classification")
    scores: ClassVar[bool] = True
    one_row: ClassVar[bool] = True
    kind: ClassVar[str] = "classification"
    columns: ClassVar[tuple[str, ...]] = ("text", "pair", "label")
    shaping: ClassVar[tuple[str, ...]] = ("multi_label", "separator")
    tuning: ClassVar[tuple[str, ...]] = ("multi_label", "class_weights", "smoothing")
    measured_by: ClassVar[tuple[str, ...]] = _FITTING

    text: Column = "text"
    """Column of the text."""
    pair: Column | None = None
    """Column of the second text, for tasks on pairs."""
    label: Column = "label"
    """Column of the label."""
    multi_label: bool = False
    """Whether an example may have any number of labels: a JSON list, or names with `separator` between them."""
    separator: str = Field(default=",", min_length=1)
    """What stands between the labels of an example."""
    augment: list[Augmented] = Field(default=[])
    """Ways to make more training examples from those there are, each from the given ones; validation and test never
    grow. An epoch then is longer by so much."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: in the loss rare classes count as much as frequent ones: an example N / (classes · its class's N)."""
    smoothing: Smoothing | None = None
    """Label smoothing of the loss that is trained on; off unless given."""
    metric: Metric = Field(default="macro_f1")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="after")
    def _columns_apart(self) -> Classification:
        if self.label in (self.text, self.pair):
            raise problem(f"label: column {self.label!r} is a text's own", at=("label",))
        if self.separator != "," and not self.multi_label:
            raise problem("separator: goes with `multi_label: true`", at=("separator",))
        return self

    @property
    def several(self) -> bool:
        return self.multi_label

    def row(self, record: Record) -> Row | Dropped:
        """A row with a text and a label."""
        from acclimate.transfer.examples.labels import labelled_row

        separator = self.separator if self.multi_label else None
        return labelled_row(record, text=self.text, pair=self.pair, label=self.label, separator=separator)

    def names(self, rows: Sequence[Row]) -> list[str]:
        from acclimate.transfer.examples.labels import class_names

        return class_names(rows, column=self.label, several=self.multi_label)

    def settle(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
        from acclimate.transfer.examples import labels

        labels.known_labels(rows, names)
        (labels.no_class_lost if self.data is None else labels.every_class)(rows, names)

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part and class the number of examples, and how uneven the classes are."""
        from acclimate.transfer.examples.labels import counted, imbalance

        counts = {part: counted(some, names) for part, some in rows.items()}
        return {"class_counts": counts, "imbalance": imbalance(rows, counts)}

    def labels(self, names: Sequence[str]) -> Labels:
        from acclimate.models.building import Labels

        return Labels(tuple(names), self.multi_label)

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Classifying:
        from acclimate.transfer.classes.classifying import Classifying

        return Classifying(
            tokenizer,
            num_classes=len(names),
            sequence_length=self.sequence_length,
            multi_label=self.multi_label,
            balanced=self.class_weights == "balanced",
            smoothing=0.0 if self.smoothing is None else self._smoothing(len(names)),
        )

    def _smoothing(self, num_classes: int) -> float:
        smoothing: Any = self.smoothing
        share: float = smoothing.build(num_classes=2 if self.multi_label else num_classes)
        return share

    def furnish(
        self, model: PreTrainedModel, *, names: Sequence[str], seed: int, source: Path | None = None
    ) -> None:
        transfer: Any = self.transfer
        if source is not None:
            transfer.furnish(model, source)

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Outcomes:
        import numpy as np

        from acclimate.evaluate.outcomes import Outcomes

        scores = answers["scores"]
        if bad := int((~np.isfinite(scores)).any(axis=1).sum()):
            raise UserError(f"the model gives scores that are not finite for {bad} test examples")
        return Outcomes(examples.labels, scores)

    def details(self, names: Sequence[str], examples: Examples, outcomes: Outcomes) -> dict[str, Any]:
        """Labels, confusions, figures of each class, predictions."""
        from acclimate.evaluate.classification import details

        return details(names, examples.shown(), outcomes)
