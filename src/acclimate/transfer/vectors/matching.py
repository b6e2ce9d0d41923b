"""The matching task as a recipe states it: do two texts belong together, which candidate answers a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.transfer.task import Answers, Metric, TaskSettings
from acclimate.transfer.vectors.vector_settings import Vector

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.grouped import Grouped
    from acclimate.evaluate.outcomes import Outcomes
    from acclimate.models.building import Labels
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row

_OF_PAIRS = ("accuracy", "f1", "auc", "mcc", "macro_f1")
_OF_RANKS = ("mrr", "recall_at")
NAMES = ("wrong", "right")


class Matching(TaskSettings):
    """Whether two texts belong together, by a cross- or a bi-encoder; and ranking of the candidates of a question.

    A bi-encoder says that they do where their cosine is above ½. With `candidates`, pairs of the same first text are
    one question: they stay in one part, and are drawn together for intervals.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "matching")
    columns: ClassVar[tuple[str, ...]] = ("text", "pair", "label")
    shaping: ClassVar[tuple[str, ...]] = ("positive", "candidates")
    tuning: ClassVar[tuple[str, ...]] = ("encoder", "candidates", "negatives", "scale", "vector")
    measured_by: ClassVar[tuple[str, ...]] = (*_OF_PAIRS, *_OF_RANKS)

    text: Column = "text"
    """Column of the first text, such as the question."""
    pair: Column = "pair"
    """Column of the second text, such as a candidate."""
    label: Column | None = None
    """Column that says whether they belong together; left out, all pairs do, and `negatives: batch` is needed."""
    positive: str = "1"
    """What the label says of pairs that belong together; anything else says that they do not."""
    encoder: Literal["cross", "bi"] = "cross"
    """`cross`: both texts in one sequence, a class for the pair. `bi`: each to a vector by the same weights, and their
    cosine: candidates can be looked up among millions."""
    vector: Vector | None = None
    """With `encoder: bi`: what a text's vector is made of, the mean of its tokens' vectors unless given.
    `sequence_length` then is that of each text."""
    negatives: Literal["given", "batch"] = "given"
    """`given`: pairs that do not belong together are those of the data. `batch` (with `encoder: bi`): only right pairs
    are learnt from, against the other second texts of the batch (Henderson et al. 2017)."""
    scale: float = Field(default=20.0, gt=0)
    """With `encoder: bi`: what cosines are multiplied by before a sigmoid or a softmax."""
    candidates: Literal["none", "given", "all"] = "none"
    """Whether candidates are ranked: those `given` with each question, or (with `encoder: bi`) `all` second texts of
    the part for every question."""
    metric: Metric = Field(default="accuracy")  # type: ignore[assignment]
    """The verdict's metric; MRR where candidates are ranked, unless given."""
    metrics: list[Metric] = Field(default=["accuracy", "f1", "auc"])  # type: ignore[list-item]
    """What is measured on the test, with `mrr` and `recall_at` 1 and 5 where candidates are ranked; the verdict's
    metric always is."""

    @model_validator(mode="before")
    @classmethod
    def _usual_metrics(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        ranked = value.get("candidates", "none") != "none"
        pairs = ["accuracy", "f1"] if value.get("negatives", "given") == "given" else []
        known = value.get("label") is not None
        usual = [
            *(["mrr", {"recall_at": 1}, {"recall_at": 5}] if ranked else []),
            *pairs,
            *(["auc"] if known else []),
        ]
        return {"metric": "mrr" if ranked else "accuracy" if pairs else "auc", "metrics": usual, **value}

    @model_validator(mode="after")
    def _fits(self) -> Matching:
        if self.pair == self.text or (self.label is not None and self.label in (self.text, self.pair)):
            name = "pair" if self.pair == self.text else "label"
            raise problem(f"{name}: column {getattr(self, name)!r} is a text's own", at=(name,))
        if self.encoder == "cross":
            for name, wrong in (
                ("vector", self.vector is not None),
                ("negatives", self.negatives == "batch"),
                ("candidates", self.candidates == "all"),
                ("scale", self.scale != type(self).model_fields["scale"].default),
            ):
                if wrong:
                    raise problem(f"{name}: {getattr(self, name)} goes with `encoder: bi`", at=(name,))
        if self.label is None and not (self.negatives == "batch" and self.candidates == "all"):
            words = (
                "where all pairs belong together, `negatives: batch` and `candidates: all` make the others"
            )
            raise problem(f"label: {words}", at=("label",))
        for one in (self.metric, *self.metrics):
            name = one.registered_as[1]
            if name in _OF_RANKS and self.candidates == "none":
                raise problem(f"metrics: {name} needs `candidates`, which are ranked", at=("metrics",))
            if name in ("accuracy", "f1", "mcc", "macro_f1") and self.negatives == "batch":
                words = (
                    "`negatives: batch` learns an order, and no cosine from which on texts belong together"
                )
                raise problem(f"metrics: {name} does not fit: {words}", at=("metrics",))
            if name == "auc" and self.label is None:
                raise problem("metrics: auc needs pairs of both kinds; say their `label`", at=("metrics",))
        return self

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "classification" if self.encoder == "cross" else "encoder"

    @property
    def purpose(self) -> str:
        return "classification" if self.encoder == "cross" else "vectors"

    def row(self, record: Record) -> Row | Dropped:
        """A row with two texts, and whether they belong together."""
        from acclimate.corpus.document import Dropped, comparable
        from acclimate.transfer.examples.rows import Row, cell, identity

        first, second = cell(record, self.text), cell(record, self.pair)
        if not first or not second:
            return Dropped("no_text", record.place, f"{self.pair if first else self.text!r} is empty")
        said = self.positive if self.label is None else cell(record, self.label)
        if not said:
            return Dropped("no_label", record.place, f"{self.label!r} is empty")
        key = comparable(first), comparable(second if self.candidates == "none" else "")
        label = NAMES[said == self.positive]
        return Row(identity(record), record.place, first, second, (label,), key)

    def names(self, rows: Sequence[Row]) -> list[str]:
        return list(NAMES)

    def settle(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
        for part, some in rows.items():
            found = Counter(row.labels[0] for row in some)
            needed = NAMES if self.negatives == "given" and part != "validation" else NAMES[1:]
            for name in needed:
                if some and not found[name]:
                    says = (
                        f"says {self.positive!r}"
                        if name == "right"
                        else f"says anything but {self.positive!r}"
                    )
                    raise UserError(
                        f"positive: {self.label!r} {says} in none of the {len(some)} pairs of {part}"
                    )

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part the number of pairs of each kind; with candidates the number of questions."""
        from acclimate.transfer.examples.labels import counted

        found: dict[str, Any] = {"class_counts": {part: counted(some, names) for part, some in rows.items()}}
        if self.candidates != "none":
            found["questions"] = {part: len({row.key for row in some}) for part, some in rows.items()}
        return found

    def keys(self, examples: Examples) -> set[tuple[str, str]]:
        if self.candidates == "none":
            return super().keys(examples)
        from acclimate.corpus.document import comparable

        return {(comparable(text), "") for text in examples.texts}

    def labels(self, names: Sequence[str]) -> Labels:
        from acclimate.models.building import Labels

        return Labels(tuple(names))

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
        if self.encoder == "cross":
            from acclimate.transfer.classes.classifying import Classifying

            return Classifying(tokenizer, num_classes=2, sequence_length=self.sequence_length)
        from acclimate.transfer.vectors.match_vectors import MatchVectors

        return MatchVectors(
            tokenizer,
            sequence_length=self.sequence_length,
            pooling=(self.vector or Vector()).build(),
            scale=self.scale,
            in_batch=self.negatives == "batch",
            rank_all=self.candidates == "all",
        )

    def finish(self, model: PreTrainedModel, learnt: Examples) -> None:
        if self.encoder == "bi":
            from acclimate.transfer.vectors.text_vectors import note_pooling

            note_pooling(model, (self.vector or Vector()).build())

    def accompany(self, folder: Path, model: PreTrainedModel) -> None:
        """Of a bi-encoder, what sentence-transformers needs to make the same vectors."""
        if self.encoder == "bi":
            from acclimate.models.forward import width
            from acclimate.transfer.vectors.text_vectors import sentence_transformers_files

            pooling = (self.vector or Vector()).build()
            sentence_transformers_files(folder, pooling, width(model), self.sequence_length)

    def outcomes(
        self, names: Sequence[str], examples: Examples, answers: Answers
    ) -> Outcomes | Grouped[Outcomes]:
        from acclimate.corpus.document import comparable
        from acclimate.evaluate.grouped import Grouped
        from acclimate.evaluate.outcomes import Outcomes
        from acclimate.evaluate.ranking import RankedOutcomes, ranks_within

        scores = answers["scores"]
        if bad := int((~np.isfinite(scores)).any(axis=1).sum()):
            raise UserError(f"the model gives scores that are not finite for {bad} test examples")
        if self.candidates == "none":
            return Outcomes(examples.labels, scores)
        questions = np.array([comparable(text) for text in examples.texts])
        margin = scores[:, 1] - scores[:, 0]
        ranks = answers["ranks"] if "ranks" in answers else ranks_within(margin, questions)
        return Grouped(RankedOutcomes(examples.labels, scores, questions, ranks), questions)

    def details(self, names: Sequence[str], examples: Examples, outcomes: Any) -> dict[str, Any]:
        """As of a classifier; with candidates the questions whose right answer stands farthest down."""
        from acclimate.evaluate.classification import details
        from acclimate.evaluate.ranked_details import ranked_details

        if self.candidates == "none":
            return details(names, examples.shown(), outcomes)
        assert examples.pairs is not None
        found: dict[str, Any] = ranked_details(examples.texts, examples.pairs, outcomes.inner)
        if self.negatives == "given":
            kept = ("labels", "multi_label", "test_loss", "confusion", "per_class")
            found |= {key: details(names, examples.shown(), outcomes.inner)[key] for key in kept}
        return found
