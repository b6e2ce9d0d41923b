"""The sentence embedding task as a recipe states it: vectors whose cosines say how much alike texts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.errors import UserError
from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.transfer.task import Answers, Metric, TaskSettings
from acclimate.transfer.vectors.vector_settings import Vector

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.numbers import Numbers
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row
    from acclimate.transfer.vectors.pair_vectors import PairVectors

_OF_LABELS = ("softmax", "contrastive")


class Embedding(TaskSettings):
    """Vectors of sentences by a bi-encoder, judged by how their cosines order scored pairs (STS).

    Pairs are learnt from by `learn`; those of the test must have a score, whatever the training part has, so that a
    model which learns from entailment can be judged on similarity (Reimers and Gurevych 2019).
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "embedding")
    kind: ClassVar[str] = "encoder"
    columns: ClassVar[tuple[str, ...]] = ("text", "pair")
    shaping: ClassVar[tuple[str, ...]] = ("score", "label", "lowest", "highest", "learn", "positive")
    tuning: ClassVar[tuple[str, ...]] = (
        "vector", "learn", "positive", "lowest", "highest", "scale", "temperature",
    )  # fmt: skip
    measured_by: ClassVar[tuple[str, ...]] = ("spearman", "pearson")

    text: Column = "text"
    """Column of the first text."""
    pair: Column = "pair"
    """Column of the second text."""
    score: Column = "score"
    """Column of the score, a number from `lowest` to `highest`."""
    lowest: float = 0.0
    """The score of texts that have nothing in common: cosine 0."""
    highest: float = 5.0
    """The score of texts that say the same: cosine 1. The STS benchmark goes from 0 to 5."""
    label: Column | None = None
    """Column of a label, where `learn` or `positive` is about one."""
    learn: Literal["cosine", "ranking", "softmax", "contrastive"] = "cosine"
    """`cosine`: (cosine − score brought to 0–1)². `ranking`: which second text of the batch belongs to the first.
    `softmax`: the label, of [u; v; |u − v|]. `contrastive`: texts of one label are drawn together."""
    positive: str | float | None = None
    """With `learn: ranking`, which pairs belong together: those of this label (a text), or of this score at least (a
    number); all unless given. The others are not learnt from."""
    scale: float = Field(default=20.0, gt=0)
    """With `learn: ranking`: what cosines are multiplied by."""
    temperature: float = Field(default=0.1, gt=0)
    """With `learn: contrastive`: what cosines are divided by."""
    vector: Vector = Field(default=Vector())
    """What a text's vector is made of. `sequence_length` is that of each text."""
    metric: Metric = Field(default="spearman")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=["spearman", "pearson"])  # type: ignore[list-item]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="after")
    def _fits(self) -> Embedding:
        if self.lowest >= self.highest:
            raise problem(f"lowest: {self.lowest:g} is not below highest {self.highest:g}", at=("lowest",))
        if self.learn in _OF_LABELS and self.label is None:
            raise problem(f"label: `learn: {self.learn}` needs to know its column", at=("label",))
        of_label = self.learn in _OF_LABELS or (self.learn == "ranking" and isinstance(self.positive, str))
        if self.label is not None and not of_label:
            raise problem("label: nothing is learnt from it here; see `learn`", at=("label",))
        if self.positive is not None and self.learn != "ranking":
            raise problem("positive: goes with `learn: ranking`", at=("positive",))
        if isinstance(self.positive, str) and self.label is None:
            raise problem("label: `positive` names one, so its column is needed", at=("label",))
        for name, goal in (("scale", "ranking"), ("temperature", "contrastive")):
            if self.learn != goal and getattr(self, name) != type(self).model_fields[name].default:
                raise problem(f"{name}: goes with `learn: {goal}`", at=(name,))
        return self

    @property
    def purpose(self) -> str:
        return "vectors"

    def row(self, record: Record) -> Row | Dropped:
        """A row with two texts and what is known of them: a score, a label, or both."""
        from acclimate.corpus.document import Dropped, comparable
        from acclimate.transfer.examples.rows import Row, cell, identity
        from acclimate.transfer.examples.scores import number

        first, second = cell(record, self.text), cell(record, self.pair)
        if not first or not second:
            return Dropped("no_text", record.place, f"{self.pair if first else self.text!r} is empty")
        score = number(cell(record, self.score))
        if score is not None and not self.lowest <= score <= self.highest:
            return Dropped(
                "no_score", record.place, f"{score:g} is not from {self.lowest:g} to {self.highest:g}"
            )
        label = None if self.label is None else cell(record, self.label)
        if score is None and not label and (self.learn != "ranking" or self.positive is not None):
            return Dropped("no_score", record.place, f"{self.score!r} holds no number")
        key = comparable(first), comparable(second)
        more = {} if score is None else {"score": score}
        place = record.place
        return Row(identity(record), place, first, second, (label,) if label else (), key, more)

    def names(self, rows: Sequence[Row]) -> list[str]:
        return sorted({label for row in rows for label in row.labels})

    def settle(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
        from acclimate.transfer.examples.labels import known_labels

        learnt = {part: some for part, some in rows.items() if part != "test"}
        for row in rows["test"]:
            if "score" not in row.more:
                raise UserError(f"{row.place}: the test must have scores in column {self.score!r}")
        if self.learn in _OF_LABELS or isinstance(self.positive, str):
            self._require(learnt, "labels", lambda row: bool(row.labels))
            known_labels(learnt, names)
        elif self.learn == "cosine" or self.positive is not None:
            self._require(learnt, "scores", lambda row: "score" in row.more)
        if self.learn in _OF_LABELS and len(names) < 2:
            raise UserError(f"label: {names or 'no label'} in all training pairs; two are needed")
        if self.learn == "ranking":
            for part, some in learnt.items():
                if some and not any(self._belongs(row.labels, row.more) for row in some):
                    raise UserError(f"positive: no pair of the {part} part is {self.positive!r}")

    @staticmethod
    def _require(rows: Mapping[str, list[Row]], what: str, holds: Any) -> None:
        for some in rows.values():
            for row in some:
                if not holds(row):
                    raise UserError(f"{row.place}: this pair is to be learnt from, and there are no {what}")

    def _belongs(self, labels: Sequence[str], more: Mapping[str, Any]) -> bool:
        if self.positive is None:
            return True
        if isinstance(self.positive, str):
            return self.positive in labels
        return bool(more["score"] >= self.positive)

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part, mean, deviation and range of the scores."""
        from acclimate.transfer.examples.scores import spread

        found = {
            part: [row.more["score"] for row in some if "score" in row.more] for part, some in rows.items()
        }
        return {"scores": {part: spread(values) for part, values in found.items() if values}}

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> PairVectors:
        from acclimate.transfer.vectors.embedding_goals import goal

        return goal(self, names, tokenizer)

    def furnish(
        self, model: PreTrainedModel, *, names: Sequence[str], seed: int, source: Path | None = None
    ) -> None:
        """With `learn: softmax` the projection onto the labels, which nobody needs afterwards."""
        if self.learn == "softmax" and source is None:
            from acclimate.models.forward import width
            from acclimate.objectives.softmax_pairs import add_pair_classifier

            add_pair_classifier(model, self.vector.build().width(width(model)), len(names), seed)

    def finish(self, model: PreTrainedModel, learnt: Examples) -> None:
        from acclimate.objectives.softmax_pairs import HEAD
        from acclimate.transfer.vectors.text_vectors import note_pooling

        if self.learn == "softmax":
            delattr(model, HEAD)
        note_pooling(model, self.vector.build())

    def accompany(self, folder: Path, model: PreTrainedModel) -> None:
        """What sentence-transformers needs to make the same vectors."""
        from acclimate.models.forward import width
        from acclimate.transfer.vectors.text_vectors import sentence_transformers_files

        sentence_transformers_files(folder, self.vector.build(), width(model), self.sequence_length)

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Numbers:
        from acclimate.evaluate.numbers import Numbers
        from acclimate.transfer.examples.scores import scores_of

        return Numbers(scores_of(examples), answers["cosines"])

    def details(self, names: Sequence[str], examples: Examples, outcomes: Numbers) -> dict[str, Any]:
        """Pairs with their cosines; the worst are those that stand farthest from their place in the order."""
        from acclimate.evaluate.numbers import details

        return details(examples.shown(), outcomes, by_rank=True)
