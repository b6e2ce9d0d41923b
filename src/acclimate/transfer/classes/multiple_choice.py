"""The multiple choice task as a recipe states it: which of several choices answers a question about a text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Batch, Length
from acclimate.transfer.task import Answers, Metric, TaskSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.chosen import Chosen
    from acclimate.evaluate.grouped import Grouped
    from acclimate.models.building import Labels
    from acclimate.transfer.classes.choosing import ChoosingTask
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row


class MultipleChoice(TaskSettings):
    """Questions about a text with choices, of which one is right (C3, DREAM, MCTest). Each choice is read with the text
    and the question and gets a logit; a softmax over a question's choices is trained by cross entropy.

    What is kept is a sequence classification model of one label, whose weights load as `AutoModelForMultipleChoice` of
    BERT's kin. Questions about one text stay in one part, and are drawn together for intervals.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "multiple_choice")
    kind: ClassVar[str] = "classification"
    columns: ClassVar[tuple[str, ...]] = ("context", "question", "choices", "label")
    tuning: ClassVar[tuple[str, ...]] = ("cut",)
    measured_by: ClassVar[tuple[str, ...]] = ("accuracy",)

    context: Column = "context"
    """Column of the text that the question is about."""
    question: Column = "question"
    """Column of the question."""
    choices: Column = "choices"
    """Column of the choices, a JSON list of two texts or more."""
    label: Column = "label"
    """Column of the right choice: its number from 0, or its text."""
    cut: Literal["start", "end"] = "end"
    """Where a context that does not fit loses tokens; such questions are counted (`truncated`). Of a dialogue the
    `start` is often the better loss."""
    batch: Batch = Length.parse("16 sequences")
    """What one optimizer step sees, in tokens, or in questions with all their choices (`sequences`)."""
    sequence_length: int = Field(default=256, ge=8)
    """Longest sequence of a context, a question and one choice in tokens, special ones included."""
    metric: Metric = Field(default="accuracy")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=["accuracy"])  # type: ignore[list-item]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="after")
    def _columns_apart(self) -> MultipleChoice:
        for name, number in Counter(getattr(self, role) for role in self.columns).items():
            if number > 1:
                raise problem(f"label: column {name!r} is named {number} times", at=("label",))
        return self

    @property
    def purpose(self) -> str:
        return "multiple_choice"

    def row(self, record: Record) -> Row | Dropped:
        """A row with a context, a question, its choices and the number of the right one."""
        from acclimate.corpus.document import Dropped, comparable
        from acclimate.transfer.examples.rows import Row, cell, identity

        place = record.place
        context, question = cell(record, self.context), cell(record, self.question)
        if not context or not question:
            return Dropped("no_text", place, f"{self.question if context else self.context!r} is empty")
        choices = _choices(cell(record, self.choices))
        if choices is None:
            found = (cell(record, self.choices) or "")[:80]
            words = f"expected a JSON list of two texts or more in {self.choices!r}, found {found!r}"
            return Dropped("malformed_choices", place, words)
        said = cell(record, self.label)
        if not said:
            return Dropped("no_label", place, f"{self.label!r} is empty")
        label = _right(said, choices)
        if label is None:
            words = (
                f"{self.label!r} is {said[:80]!r}, neither a choice nor a number from 0 to {len(choices) - 1}"
            )
            return Dropped("malformed_label", place, words)
        more = {"choices": choices, "label": label}
        return Row(identity(record), place, context, question, (), (comparable(context), ""), more)

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part the number of texts, how many questions have so many choices, and what guessing reaches."""
        found: dict[str, Any] = {"contexts": {}, "choices": {}, "chance": {}}
        for part, some in rows.items():
            counts = [len(row.more["choices"]) for row in some]
            found["contexts"][part] = len({row.key for row in some})
            found["choices"][part] = {str(number): n for number, n in sorted(Counter(counts).items())}
            found["chance"][part] = round(float(np.mean([1 / one for one in counts])), 6) if counts else None
        return found

    def keys(self, examples: Examples) -> set[tuple[str, str]]:
        from acclimate.corpus.document import comparable

        return {(comparable(text), "") for text in examples.texts}

    def labels(self, names: Sequence[str]) -> Labels:
        from acclimate.models.building import Labels

        return Labels(("choice",), numbers=True)

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> ChoosingTask:
        from acclimate.transfer.classes.choosing import ChoosingTask

        return ChoosingTask(tokenizer, sequence_length=self.sequence_length, cut=self.cut)

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Grouped[Chosen]:
        from acclimate.corpus.document import comparable
        from acclimate.evaluate.chosen import Chosen
        from acclimate.evaluate.grouped import Grouped

        labels = np.array([one["label"] for one in examples.more], dtype=np.int64)
        chosen = Chosen(labels, answers["scores"], answers["counts"])
        return Grouped(chosen, np.array([comparable(text) for text in examples.texts]))

    def details(self, names: Sequence[str], examples: Examples, outcomes: Grouped[Chosen]) -> dict[str, Any]:
        """Questions with what the model takes, the most surprising errors."""
        from acclimate.evaluate.chosen import details

        assert examples.pairs is not None
        texts = [f"{asked} ⟷ {text}" for text, asked in zip(examples.texts, examples.pairs, strict=True)]
        return details(texts, [one["choices"] for one in examples.more], outcomes.inner)


def _choices(said: str | None) -> list[str] | None:
    try:
        found = json.loads(said or "")
    except ValueError:
        return None
    fine = isinstance(found, list) and len(found) > 1 and all(isinstance(one, str) for one in found)
    return [one.strip() for one in found] if fine else None


def _right(said: str, choices: Sequence[str]) -> int | None:
    """The number of the right choice; what could be both a number of a choice and its text is the number."""
    if said.isdecimal() and int(said) < len(choices):
        return int(said)
    return choices.index(said) if said in choices else None
