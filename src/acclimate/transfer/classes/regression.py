"""The regression task as a recipe states it: a number for each text, or pair of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.transfer.task import Answers, Metric, TaskSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.numbers import Numbers
    from acclimate.models.building import Labels
    from acclimate.transfer.classes.regressing import Regressing
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row

_METRICS = ("spearman", "pearson", "r2")


class Regression(TaskSettings):
    """A number for each text or pair of texts, such as how much alike two sentences are.

    The loss is the squared error of numbers brought to mean 0 and deviation 1 over the training part; the model that is
    kept gives them in their own unit again.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "regression")
    kind: ClassVar[str] = "classification"
    one_row: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("text", "pair", "score")
    measured_by: ClassVar[tuple[str, ...]] = _METRICS

    text: Column = "text"
    """Column of the text."""
    pair: Column | None = None
    """Column of the second text, for tasks on pairs."""
    score: Column = "score"
    """Column of the number. Records without a finite one are dropped (`no_number`)."""
    metric: Metric = Field(default="spearman")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="after")
    def _columns_apart(self) -> Regression:
        if self.score in (self.text, self.pair):
            raise problem(f"score: column {self.score!r} is a text's own", at=("score",))
        return self

    @property
    def purpose(self) -> str:
        return "regression"

    def row(self, record: Record) -> Row | Dropped:
        """A row with a text and a number."""
        from acclimate.transfer.examples.scores import scored_row

        return scored_row(record, text=self.text, pair=self.pair, score=self.score)

    def settle(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
        values = {row.more["score"] for row in rows["train"]}
        if len(values) < 2:
            raise UserError(
                f"all {len(rows['train'])} training examples have the number {next(iter(values), '–')}; "
                "there is nothing to learn"
            )

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part, mean, deviation and range of the numbers."""
        from acclimate.transfer.examples.scores import spread

        return {"scores": {part: spread([row.more["score"] for row in some]) for part, some in rows.items()}}

    def labels(self, names: Sequence[str]) -> Labels:
        from acclimate.models.building import Labels

        return Labels((self.score if isinstance(self.score, str) else "score",), numbers=True)

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Regressing:
        from acclimate.transfer.classes.regressing import Regressing

        return Regressing(tokenizer, sequence_length=self.sequence_length)

    def finish(self, model: PreTrainedModel, learnt: Examples) -> None:
        """The model gives numbers in their own unit."""
        from acclimate.objectives.regress import unstandardise
        from acclimate.transfer.examples.scores import scores_of

        values = scores_of(learnt)
        unstandardise(model, float(values.mean()), float(values.std()))

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Numbers:
        from acclimate.evaluate.numbers import Numbers
        from acclimate.transfer.examples.scores import scores_of

        return Numbers(scores_of(examples), answers["scores"])

    def details(self, names: Sequence[str], examples: Examples, outcomes: Numbers) -> dict[str, Any]:
        """The mean absolute error, predictions, the largest errors."""
        from acclimate.evaluate.numbers import details

        return details(examples.shown(), outcomes)
