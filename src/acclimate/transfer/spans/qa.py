"""The task of answering questions by a stretch of a passage, as a recipe states it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.recipe.columns import Column
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Share
from acclimate.transfer.task import Answers, Metric, TaskSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.reading import ReadingOutcomes
    from acclimate.models.building import Labels
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row
    from acclimate.transfer.spans.answering import Answering

_METRICS = ("answer_f1", "exact_match")
_SHOWN = 20


class Qa(TaskSettings):
    """Extractive question answering: the answer is a stretch of a passage, told by its first and its last token.

    Examples: a question, a passage, and answers with their places, as the readers squad, cmrc, drcd and duorc give
    them. A passage longer than a sequence is read in windows that overlap, each behind the whole question; the answer
    is the best stretch of all. Answers that do not stand where their place says are looked for in the passage;
    questions with none that is there are not learnt from, are counted and listed in statistics.json, and stay in the
    test. Questions on one passage stay in one part: those of the training on a passage of the test are dropped
    (`in_test`). The delivered model is one for Transformers' question answering.
    Source: Rajpurkar et al. 2016, "SQuAD"; Devlin et al. 2019, section 4.2.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "qa")
    kind: ClassVar[str] = "spans"
    one_row: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("question", "context", "answers")
    shaping: ClassVar[tuple[str, ...]] = ("no_answer",)
    tuning: ClassVar[tuple[str, ...]] = ("overlap", "max_question", "longest_answer", "empty_windows")
    measured_by: ClassVar[tuple[str, ...]] = _METRICS

    question: Column = "question"
    """Column of the question."""
    context: Column = "context"
    """Column of the passage."""
    answers: Column = "answers"
    """Column of the answers: a JSON list of {text, start}, in characters, or of texts, which are looked for in the
    passage; or Hugging Face's {text: […], answer_start: […]}. Lists are empty where it has none."""
    no_answer: bool = False
    """Whether the passage may hold no answer, as in SQuAD 2: then questions without one are learnt from and asked.
    Without, they are dropped (`no_answer`)."""
    threshold: float = 0.0
    """With `no_answer`: by how much the score of no answer must exceed that of the best one to be given."""
    overlap: int = Field(default=64, ge=0)
    """Tokens that neighbouring windows of a passage share."""
    max_question: int = Field(default=64, ge=1)
    """Longest question in tokens; longer ones are cut at their end, and counted."""
    longest_answer: int = Field(default=30, ge=1)
    """Longest answer in tokens that is looked for."""
    empty_windows: Share = 1.0
    """Share of the training's windows without the answer that are learnt from, drawn once. In long passages they
    outnumber the others by far."""
    judge: Literal["auto", "squad", "cmrc"] = "auto"
    """How answers are compared with true ones: squad (words, without articles and punctuation) or cmrc (characters of
    Chinese, without a list of marks; longest common run); auto: cmrc where most test questions have Chinese in them."""
    sequence_length: int = Field(default=384, ge=16)
    """Longest window in tokens, question and special ones included."""
    metric: Metric = Field(default="answer_f1")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
    """What is measured on the test; the verdict's metric always is."""

    @model_validator(mode="after")
    def _fits_together(self) -> Qa:
        if self.threshold and not self.no_answer:
            raise problem("threshold: goes with `no_answer: true`", at=("threshold",))
        if self.overlap >= self.sequence_length - 8:
            words = f"leaves windows of {self.sequence_length} tokens nothing of their own"
            raise problem(f"overlap: {self.overlap} {words}", at=("overlap",))
        return self

    def row(self, record: Record) -> Row | Dropped:
        """`spans`: where answers stand in the passage, `answers`: their texts."""
        from acclimate.transfer.spans.reading_rows import reading_row

        return reading_row(
            record,
            question=self.question,
            context=self.context,
            answers=self.answers,
            no_answer=self.no_answer,
        )

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """Of each part the questions without an answer, those whose answer is not in the passage, and some of these."""
        found: dict[str, Any] = {}
        warnings = []
        for part, some in rows.items():
            lost = [row for row in some if not row.more["spans"] and not row.more["impossible"]]
            if lost:
                so = "asked all the same" if part == "test" else "not learnt from"
                warnings.append(
                    f"{part}: the answer of {len(lost):,} of {len(some):,} questions is not in the passage; "
                    f"they are {so}; the first: {lost[0].place}"
                )
            found[part] = {
                "impossible": sum(row.more["impossible"] for row in some),
                "moved": sum(row.more["moved"] for row in some),
                "answer_not_in_context": len(lost),
                "samples": [
                    {"id": row.id, "question": row.text, "answers": row.more["answers"]}
                    for row in lost[:_SHOWN]
                ],
            }
        return {"answers": found, "warnings": warnings}

    def labels(self, names: Sequence[str]) -> Labels:
        from acclimate.models.building import Labels

        return Labels(("start", "end"))

    def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Answering:
        from acclimate.transfer.spans.answering import Answering

        return Answering(
            tokenizer,
            sequence_length=self.sequence_length,
            overlap=self.overlap,
            max_question=self.max_question,
            longest_answer=self.longest_answer,
            empty_windows=self.empty_windows,
            seed=seed,
        )

    def judging_settings(self) -> dict[str, Any]:
        return {**super().judging_settings(), "threshold": self.threshold, "judge": self.judge}

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> ReadingOutcomes:
        from acclimate.evaluate.reading import Asked, ReadingOutcomes, judge_of

        assert examples.pairs is not None
        asked, lost = [], 0
        for number, more in enumerate(examples.more):
            score = float(answers["scores"][number] - answers["nulls"][number])
            passage = examples.pairs[number]
            said = passage[int(answers["starts"][number]) : int(answers["ends"][number])].strip()
            said = "" if self.no_answer and -score > self.threshold else said
            truth = () if more["impossible"] else tuple(more["answers"])
            lost += not more["spans"] and not more["impossible"]
            asked.append(Asked(examples.texts[number], passage, truth, said, score))
        judge = judge_of(examples.texts) if self.judge == "auto" else self.judge
        notes = [f"the answer of {lost} of {len(asked)} test questions is not in the passage"] if lost else []
        return ReadingOutcomes(asked, judge, notes)

    def details(self, names: Sequence[str], examples: Examples, outcomes: ReadingOutcomes) -> dict[str, Any]:
        """Questions with what was said to them."""
        from acclimate.evaluate.reading import details

        return details(outcomes)
