"""The classification task as a recipe states it: which examples, how the model is tuned to them, what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.progress import Tell, silent
from acclimate.recipe.columns import Column
from acclimate.recipe.paths import DataPath
from acclimate.recipe.sections import Every, Gradients, Optimizer, Reader, Schedule
from acclimate.recipe.settings import Component, Part, Settings, problem
from acclimate.recipe.units import Batch, Length, Share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Augmented = Annotated[Component, Part("augmentation")]
Metric = Annotated[Component, Part("metric")]
Transfer = Annotated[Component, Part("transfer")]


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
_DATA = (
    "text",
    "pair",
    "label",
    "header",
    "format",
    "encoding",
    "multi_label",
    "separator",
    "split",
    "hold_out",
    "near",
)
_TRAINING = (
    "multi_label",
    "class_weights",
    "transfer",
    "length",
    "batch",
    "sequence_length",
    "optimizer",
    "schedule",
    "gradients",
    "patience",
)
_JUDGING = ("metric", "metrics")


class TaskSplit(Settings):
    """Shares of one source that are held out."""

    validation: Share = 0.15
    """Watched during training: the best weights by it are kept."""
    test: Share = 0.25
    """Used once, for the figures."""

    @model_validator(mode="after")
    def _proper(self) -> TaskSplit:
        if not (self.validation and self.test):
            raise ValueError("validation and test must both be more than nothing")
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


def _source_text(data: Any, text: Any) -> tuple[Any, Any]:
    """(data, text) with the text column said in one of the two places said in both; files have their own setting."""
    if isinstance(data, str):
        data = {"path": data}
    if not isinstance(data, Mapping):
        return data, text
    named = len(data) == 1 and isinstance(next(iter(data.values())), (Mapping, str)) and "path" not in data
    name, settings = next(iter(data.items())) if named else ("files", data)
    if name != "files":
        return data, text
    settings = {"path": settings} if isinstance(settings, str) else dict(settings)
    own = settings.get("text")
    if own is not None and text is not None and own != text:
        raise problem(
            f"the task's text column is {text!r}, but its data says {own!r}; say it once", at=("text",)
        )
    if own is None and text is not None:
        settings["text"] = text
    return settings, own if text is None else text


class Classification(Component):
    """Classification of texts or pairs of texts, into one of several classes or with several labels at once.

    The examples come as files with official parts (`train` and `test`, perhaps `validation`), or as one source
    (`data`) that is split here. The classes are those of the training part.
    """

    registered_as: ClassVar[tuple[str, str]] = ("task", "classification")
    kind: ClassVar[str] = "classification"

    train: DataPath | None = None
    """Examples to learn from: CSV, TSV, JSON lines or Parquet; `.txt` is read as TSV. Needs `test`."""
    validation: DataPath | None = None
    """Examples to watch during training; left out, a part of `train` is held out."""
    test: DataPath | None = None
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
    text: Column = "text"
    """Column of the text."""
    pair: Column | None = None
    """Column of the second text, for tasks on pairs."""
    label: Column = "label"
    """Column of the label."""
    header: bool = True
    """Whether the first row of CSV and TSV files names the columns. For `data`, see its own setting."""
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet"] = "auto"
    """What the files hold; `auto` goes by the extension. For `data`, see its own setting."""
    encoding: str = "auto"
    """Encoding of the files. For `data`, see its own setting."""
    multi_label: bool = False
    """Whether an example may have any number of labels: a JSON list, or names with `separator` between them."""
    separator: str = Field(default=",", min_length=1)
    """What stands between the labels of an example."""
    augment: list[Augmented] = Field(default=[])
    """Ways to make more training examples from those there are, each from the given ones; validation and test never
    grow. An epoch then is longer by so much."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: in the loss rare classes count as much as frequent ones: an example N / (classes · its class's N)."""
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
    patience: int | None = Field(default=3, ge=1)
    """Stop after this many validations (one an epoch) without a better loss; null: train the whole length. The best
    weights are taken either way."""
    seeds: int = Field(default=3, ge=1, le=100)
    """How many times each arm is trained, with other heads and orders: the verdict's interval holds this chance too,
    but not that of the one pretraining they share."""
    metric: Metric = Field(default="macro_f1")  # type: ignore[assignment]
    """The verdict's metric."""
    metrics: list[Metric] = Field(default=list(_METRICS))  # type: ignore[arg-type]
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
            filled["data"], text = _source_text(filled["data"], filled.get("text"))
            if text is not None:
                filled["text"] = text
            if filled.get("split") is None:
                filled["split"] = {}
            filled.setdefault("near", 0.8)
        elif filled.get("validation") is None:
            if filled.get("hold_out") is None:
                filled["hold_out"] = 0.1
            filled.setdefault("near", 0.8)
        return filled

    @model_validator(mode="after")
    def _one_origin(self) -> Classification:
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
    def _no_idle_setting(self) -> Classification:
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
        if self.label in (self.text, self.pair):
            raise problem(f"label: column {self.label!r} is a text's own", at=("label",))
        if self.separator != "," and not self.multi_label:
            raise problem("separator: goes with `multi_label: true`", at=("separator",))
        if self.train is not None and not self.header:
            for name in ("text", "pair", "label"):
                if isinstance(column := getattr(self, name), str) and not column.isdigit():
                    raise problem(
                        f"without a header columns are numbers from 0, found {column!r}", at=(name,)
                    )
        return self

    def build(self, *, folder: Path, tell: Tell = silent) -> dict[str, Any]:
        """Read, split and count the examples into a folder; see `build_examples`."""
        from acclimate.transfer.examples import build_examples

        return build_examples(self, folder, tell)

    def readers(self) -> dict[str, Any]:
        """The built readers by what they read: `train`, `validation`, `test`, or `data`."""
        from acclimate.transfer.sources import open_readers

        return open_readers(self)

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity of the examples by content, for the key of what is made from them."""
        return {name: reader.fingerprint(digests) for name, reader in self.readers().items()}

    def independent_fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity of the independent test by content, which is not read for it; nothing where there is none."""
        from acclimate.transfer.sources import open_independent

        reader = open_independent(self)
        return {} if reader is None else {"independent_test": reader.fingerprint(digests)}

    def data_settings(self) -> dict[str, Any]:
        """What decides the examples besides the sources' content, which `fingerprint` gives."""
        return self.model_dump(mode="json", include=set(_DATA))

    def training_settings(self) -> dict[str, Any]:
        """What decides one training on given examples."""
        return self.model_dump(mode="json", include=set(_TRAINING))

    def judging_settings(self) -> dict[str, Any]:
        """What decides the figures of given scores."""
        return self.model_dump(mode="json", include=set(_JUDGING))

    def weights(self, labels: NDArray[Any], num_classes: int) -> NDArray[np.float64] | None:
        """Class weights for the loss from the training labels [N] or [N, C]; none where all weigh the same."""
        if self.class_weights == "none":
            return None
        from acclimate.objectives.classify import balanced_weights

        return balanced_weights(labels, num_classes)

    def check(self) -> list[tuple[tuple[str, ...], str]]:
        """Problems that can be seen in the first records: (place below this task, what is wrong)."""
        from acclimate.transfer.sources import check_sources

        return check_sources(self)
