"""What a task is to the pipeline: which examples it has, how a model is tuned to them, what is measured.

A task's settings derive from `TaskSettings` and say what an example is (`row`), and which head a model needs (`kind`).
What they build is the task at work: sequences and an objective for the examples (`lesson`), and the answers of a tuned
model (`answers`). Figures are made of the answers alone, without the model (`outcomes`, `details`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field, model_validator

from acclimate.recipe.paths import DataPath
from acclimate.recipe.roles import Average, Every, Gradients, Optimizer, Reader, Regulariser, Schedule
from acclimate.recipe.settings import Component, Part, nearest, problem
from acclimate.recipe.units import Batch, Length, Share
from acclimate.transfer.examples.task_sources import Before, Source, TaskSplit, source_text

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.packed import Sequences
    from acclimate.corpus.document import Dropped, Record
    from acclimate.evaluate.judging import Answered
    from acclimate.models.building import Labels
    from acclimate.objectives.protocol import Objective
    from acclimate.transfer.examples.preparing import Examples
    from acclimate.transfer.examples.rows import Row
    from acclimate.transfer.tuning import Lesson

_DATA = ("header", "format", "encoding", "split", "hold_out", "near", "learn_from")
_TRAINING = (
    "transfer",
    "length",
    "batch",
    "sequence_length",
    "optimizer",
    "schedule",
    "gradients",
    "regularise",
    "average",
    "patience",
    "keep",
)
_JUDGING = ("metric", "metrics")
Metric = Annotated[Component, Part("metric")]
Transfer = Annotated[Component, Part("transfer")]
Keep = Annotated[Component, Part("keeping")]
Answers = Mapping[str, "NDArray[Any]"]
"""What a model said to the examples of one part, as named arrays that a file can hold."""


class TaskSettings(Component):
    """Examples, training and figures, as every task states them.

    The examples come as official parts (`train` and `test`, perhaps `validation`), or as one source (`data`) that is
    split here.
    """

    kind: ClassVar[str]
    """The kind of model (`models/kinds.py`) that it needs."""
    scores: ClassVar[bool] = False
    """Whether its objective can tell the probabilities that it scores (`ScoredObjective`)."""
    one_row: ClassVar[bool] = False
    """Whether each of its sequences is of one example, and a row of the model's."""
    only_judged: ClassVar[bool] = False
    """Whether nothing is learnt for it: all of `data` are then its test."""
    columns: ClassVar[tuple[str, ...]] = ("text",)
    """Settings that name a column that records must have."""
    shaping: ClassVar[tuple[str, ...]] = ()
    """More settings that decide what the examples are."""
    tuning: ClassVar[tuple[str, ...]] = ()
    """More settings that decide a training."""
    measured_by: ClassVar[tuple[str, ...]]
    """Metrics that fit its answers."""

    train: Source | None = None
    """Examples to learn from: CSV, TSV, JSON lines or Parquet (`.txt` is read as TSV), or a named reader. Needs
    `test`."""
    validation: Source | None = None
    """Examples to watch during training; left out, a part of `train` is held out."""
    test: Source | None = None
    """Examples for the figures. Training examples that equal one of them are dropped."""
    independent_test: DataPath | None = None
    """More examples for figures, in files of the same shape: opened by the evaluation alone, once a run, and the report
    says when. Those whose text is among the other examples are dropped."""
    data: Reader | None = None
    """One source that is split into the three parts, instead of `train` and `test`: `{path: …}` or a named reader."""
    split: TaskSplit | None = None
    """With `data`: the shares held out, 15% and 25% unless given. By a hash: more data move an
    example only when a near-duplicate of it comes in."""
    hold_out: Share | None = None
    """With `train` and no `validation`: the share of it that is held out for validation, 10% unless given."""
    near: Share | None = None
    """Where examples are split, near-duplicates (this Jaccard similarity or more) stay in one part; 80% unless given,
    null: only equal ones do."""
    learn_from: int | None = Field(default=None, ge=1)
    """Learn from so many training examples at most, every class among them: what do fewer labels cost? Chosen by a hash
    of their text, so that a smaller number is part of a larger one. All unless given; held-out parts stay whole."""
    header: bool = True
    """Whether the first row of CSV and TSV files names the columns. For `data`, see its own setting."""
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet"] = "auto"
    """What the files hold; `auto` goes by the extension. For `data`, see its own setting."""
    encoding: str = "auto"
    """Encoding of the files. For `data`, see its own setting."""
    transfer: Transfer = Field(default="full")  # type: ignore[assignment]
    """Which weights are tuned."""
    length: Every = Length.parse("5 epochs")
    """How long to train at most."""
    batch: Batch = Length.parse("32 sequences")
    """What one optimizer step sees, in tokens or sequences."""
    sequence_length: int = Field(default=128, ge=8)
    """Longest example in tokens, special ones included; longer ones are cut and counted."""
    optimizer: Optimizer = Field(default={"adamw": {"lr": 3e-4}})  # type: ignore[assignment]
    """The optimizer."""
    schedule: Schedule = Field(default={"linear": {"warmup": "10%"}})  # type: ignore[assignment]
    """How the learning rate moves over the length."""
    gradients: Gradients = Field(default=[{"clip_norm": 1.0}])  # type: ignore[list-item]
    """What is done to the gradients between backward and step, in this order."""
    regularise: list[Regulariser] = Field(default=[])
    """What is done to the loss that is trained on, the first innermost; held-out data are measured without it."""
    average: Average | None = None
    """Which average of the weights over the training is judged and delivered; the trained weights unless given."""
    patience: int | None = Field(default=3, ge=1)
    """Stop after this many validations (one an epoch) without a better loss; null: train the whole length. The best
    weights are taken either way."""
    before: list[Before] = Field(default=[])
    """Earlier periods, in their order: the model learns them one after another, then the task's own examples, and the
    report says what is left of each. Their classes come first, each with its head's row for good."""
    keep: Keep | None = None
    """With `before`: how the past is kept while the next period is learnt; `replay` unless given."""
    seeds: int = Field(default=3, ge=1, le=100)
    """How many times each arm is trained, with other heads and orders: the verdict's interval holds this chance too,
    but not that of the one pretraining they share."""
    metric: Metric
    """The verdict's metric."""
    metrics: list[Metric]
    """What is measured on the test; the verdict's metric always is."""
    baseline: bool = True
    """Whether to train also without the pretraining on the domain, and compare: the verdict."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        """Defaults that hang on where the examples come from, so that a resolved recipe shows what holds."""
        if not isinstance(value, Mapping):
            return value
        filled = dict(value)
        if filled.get("data") is not None:
            filled["data"], text = source_text(filled["data"], filled.get("text"))
            if text is not None:
                filled["text"] = text
            if filled.get("split") is None:
                filled["split"] = {}
            filled.setdefault("near", 0.8)
        elif filled.get("validation") is None:
            if filled.get("hold_out") is None:
                filled["hold_out"] = 0.1
            filled.setdefault("near", 0.8)
        if filled.get("before") and filled.get("keep") is None:
            filled["keep"] = "replay"
        return filled

    @model_validator(mode="after")
    def _one_origin(self) -> TaskSettings:
        files = {name: getattr(self, name) for name in ("train", "validation", "test")}
        if self.data is not None:
            for name, path in files.items():
                if path is not None:
                    raise problem(
                        f"{name}: give either `data`, which is split here, or `train` and `test`", at=(name,)
                    )
            for name in ("header", "format", "encoding"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise problem(f"{name}: say it in `data`, which has this setting itself", at=(name,))
        elif self.train is None and self.test is None:
            raise problem("the examples are missing: give `train` and `test`, or `data` to be split here")
        elif self.train is None or self.test is None:
            name = "train" if self.train is None else "test"
            raise problem("this key is needed and missing: `train` and `test` go together", at=(name,))
        return self

    @model_validator(mode="after")
    def _no_idle_setting(self) -> TaskSettings:
        """A setting that could have no effect is refused rather than passed over."""
        if self.split is not None and self.data is None:
            raise problem("split: goes with `data`; with `train` and `test` see `hold_out`", at=("split",))
        if self.hold_out is not None and (self.data is not None or self.validation is not None):
            raise problem("hold_out: goes with `train` without `validation`", at=("hold_out",))
        if self.hold_out is not None and not 0 < self.hold_out < 1:
            raise problem("hold_out: expected more than 0% and less than 100%", at=("hold_out",))
        if self.near == 0:
            raise problem(
                "near: at 0% everything is like everything; use null to group equal texts only", at=("near",)
            )
        if self.near is not None and self.data is None and self.hold_out is None:
            raise problem("near: nothing is split here, all three parts are given", at=("near",))
        if self.keep is not None and not self.before:
            raise problem("keep: goes with `before`: there is nothing to keep", at=("keep",))
        if self.before and not self.scores:
            words = "before: only tasks that tell classes apart are learnt in periods, which"
            raise problem(f"{words} {self.registered_as[1]} does not", at=("before",))
        if isinstance(self.train, str) and not self.header:
            for name in self.columns:
                if isinstance(column := getattr(self, name), str) and not column.isdigit():
                    raise problem(
                        f"without a header columns are numbers from 0, found {column!r}", at=(name,)
                    )
        return self

    @model_validator(mode="after")
    def _transfer_fits(self) -> TaskSettings:
        from acclimate.transfer.methods.fitting import require_fitting

        require_fitting(self)
        return self

    @model_validator(mode="after")
    def _metrics_fit(self) -> TaskSettings:
        for place, one in (("metric", self.metric), *(("metrics", each) for each in self.metrics)):
            name = one.registered_as[1]
            if name not in self.measured_by:
                words = f"{place}: {name} does not fit this task's answers; {nearest(name, self.measured_by)}"
                raise problem(words, at=(place,))
        return self

    # What the examples are.

    def earlier(self) -> list[TaskSettings]:
        """A task for the examples of each earlier period."""
        return [
            self.model_copy(
                update={
                    "train": one.train,
                    "validation": one.validation,
                    "test": one.test,
                    "hold_out": None if one.validation is not None else self.hold_out or 0.1,
                    "near": None if one.validation is not None else self.near or 0.8,
                    "data": None,
                    "split": None,
                    "independent_test": None,
                    "before": [],
                    "keep": None,
                }
            )
            for one in self.before
        ]

    def readers(self) -> dict[str, Any]:
        """The built readers by what they read: `train`, `validation`, `test`, or `data`."""
        from acclimate.transfer.examples.sources import open_readers

        return open_readers(self)

    def row(self, record: Record) -> Row | Dropped:
        """The example that a record holds, or why it holds none."""
        raise NotImplementedError

    def keys(self, examples: Examples) -> set[tuple[str, str]]:
        """What `Row.key` was of the examples."""
        from acclimate.transfer.examples.keys import keys_of

        return keys_of(examples)

    @property
    def several(self) -> bool:
        """Whether any number of classes may hold of an example."""
        return False

    def names(self, rows: Sequence[Row]) -> list[str]:
        """The classes in the order of their ids, from the rows that are learnt from; none where there are none.

        Raises UserError where there is nothing to tell apart.
        """
        return []

    def settle(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> None:
        """Raises UserError where the parts do not fit each other, such as a label that training does not know."""

    def told(self, rows: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, Any]:
        """What statistics.json says of the examples besides their numbers and lengths."""
        return {}

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity of the examples by content, for the key of what is made from them."""
        return {name: reader.fingerprint(digests) for name, reader in self.readers().items()}

    def independent_fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity of the independent test by content, which is not read for it; nothing where there is none."""
        from acclimate.transfer.examples.sources import open_independent

        reader = open_independent(self)
        return {} if reader is None else {"independent_test": reader.fingerprint(digests)}

    def check(self) -> list[tuple[tuple[str, ...], str]]:
        """Problems that can be seen in the first records: (place below this task, what is wrong)."""
        from acclimate.transfer.examples.sources import check_sources

        return check_sources(self)

    def data_settings(self) -> dict[str, Any]:
        """What decides the examples besides the sources' content, which `fingerprint` gives."""
        from acclimate.transfer.methods.auxiliary import further_column

        further = further_column(self.transfer)
        own = self.model_dump(mode="json", include={*_DATA, *self.columns, *self.shaping})
        return {**own, "further": further} if further is not None else own

    # How a model is tuned to them.

    @property
    def purpose(self) -> str:
        """What a card says that its models are for, by a name in `report/model_kinds.py`."""
        return self.kind

    def suited(self, family: Any) -> TaskSettings:
        """As models of this family do it."""
        return self

    def idle(self) -> tuple[str, str] | None:
        """(setting, why) where one means nothing to the models that it is suited to."""
        return None

    def labels(self, names: Sequence[str]) -> Labels | None:
        """What the model's head tells apart."""
        return None

    def training_settings(self) -> dict[str, Any]:
        """What decides one training on given examples."""
        return self.model_dump(mode="json", include={*_TRAINING, *self.tuning})

    def furnish(
        self, model: PreTrainedModel, *, names: Sequence[str], seed: int, source: Path | None = None
    ) -> None:
        """Give the model what is learnt with it besides its own head; of a kept one with the weights in `source`."""

    def finish(self, model: PreTrainedModel, learnt: Examples) -> None:
        """What is done to a trained model before it answers and is kept; `learnt` is what it was trained on."""

    def accompany(self, folder: Path, model: PreTrainedModel) -> None:
        """Write what goes with a kept model's files."""

    if TYPE_CHECKING:

        def build(self, *, names: Sequence[str], tokenizer: PreTrainedTokenizerFast, seed: int) -> Task:
            """The task at work, with the classes of its examples."""
            ...

    # What is made of the answers.

    def judging_settings(self) -> dict[str, Any]:
        """What decides the figures of given answers."""
        return self.model_dump(mode="json", include=set(_JUDGING))

    def outcomes(self, names: Sequence[str], examples: Examples, answers: Answers) -> Answered:
        """The answers beside what is true, so that metrics can be taken of them."""
        raise NotImplementedError

    def details(self, names: Sequence[str], examples: Examples, outcomes: Any) -> dict[str, Any]:
        """More of what evaluation.json says of the delivered model's outcomes: `examples` and `worst` to be shown."""
        raise NotImplementedError


class Task(Protocol):
    """A task at work."""

    def lesson(self, examples: Examples, train: Examples) -> Lesson:
        """The examples as sequences, and what is asked about them; `train` are those that are learnt from."""
        ...

    def answers(self, model: PreTrainedModel, examples: Examples, *, precision: Any, device: Any) -> Answers:
        """What the model says to the examples; it is left as it is found."""
        ...

    def stand_in(self, sequences: Sequences) -> Sequences:
        """Sequences of random tokens in the shape of a lesson's: for a dry batch."""
        ...

    def rehearsal(self, number: int) -> Objective:
        """The objective over so many sequences that stand in, with targets that mean nothing."""
        ...
