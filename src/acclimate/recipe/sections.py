"""The sections of a recipe, in pipeline order. What a section chooses among stands in the rooms."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.units import Batch, Length, Share
from acclimate.recipe.wording import Called

Reader = Annotated[Component, Part("reader", default="files")]
Cleaner = Annotated[Component, Part("cleaner")]
TokenizerPart = Annotated[Component, Part("tokenizer")]
Family = Annotated[Component, Part("family", tag="family")]
Objective = Annotated[Component, Part("objective")]
Optimizer = Annotated[Component, Part("optimizer")]
Schedule = Annotated[Component, Part("schedule")]
Gradient = Annotated[Component, Part("gradient")]


def _once_each(parts: list[Component]) -> list[Component]:
    done: dict[str, str] = {}
    for part in parts:
        name = part.registered_as[1]
        if part.one_of in done:
            raise ValueError(f"{done[part.one_of]} and {name}: {part.one_of} twice; leave one of them out")
        if part.one_of is not None:
            done[part.one_of] = name
    return parts


Gradients = Annotated[list[Gradient], AfterValidator(_once_each)]
Task = Annotated[Component, Part("task")]
Interval = Annotated[Component, Part("interval")]


class Near(Settings):
    """Near-duplicates, found by MinHash-LSH over shingles (Broder 1997; Lee et al. 2022)."""

    threshold: Share = 0.8
    """Documents at least this similar (Jaccard of shingle sets) count as one; the first one read is kept."""


class Deduplicate(Settings):
    """Which documents count as repeats."""

    exact: bool = True
    """Drop a document whose cleaned text was seen before."""
    near: Near | None = None
    """Drop near-duplicates too; off unless given, for it costs a second pass."""


class Split(Settings):
    """Shares of documents held out, by a hash of the document: adding documents never moves old ones."""

    validation: Share = 0.02
    """Held out for validation during training."""
    test: Share = 0.02
    """Held out for the final figures."""

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class Corpus(Settings):
    """Where the text comes from and what is done to it before anything learns from it."""

    sources: list[Reader] = Field(min_length=1)
    """What to read: `{path: …}` for files, or a named reader."""
    clean: list[Cleaner] = Field(default=["unicode"])  # type: ignore[list-item]
    """Cleaning steps, in this order."""
    deduplicate: Deduplicate = Deduplicate()
    """Which repeats are dropped."""
    split: Split = Split()
    """What is held out."""
    hold_out_tasks: bool = True
    """Drop documents that equal a validation or test text of the recipe's tasks (near-equal, with `near`)."""

    @field_validator("sources", mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        return [value] if isinstance(value, (dict, str)) else value


def _some(length: Length) -> Length:
    if not length.amount:
        raise ValueError(f"expected more than nothing, found '{length}'")
    return length


Every = Annotated[Length, AfterValidator(_some)]


class Checkpoint(Settings):
    """When training writes its whole state."""

    every: Every = Length.parse("200 steps")
    """Distance between checkpoints."""
    keep: int = Field(default=2, ge=1)
    """How many of the last checkpoints stay; the best one by validation loss stays besides."""


class Validate(Settings):
    """When training looks at held-out text."""

    every: Every = Length.parse("200 steps")
    """Distance between validations; one is always made at the end."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after this many validations without a better loss, and take the best weights; off unless given."""
    most: Batch = Length.parse("200k tokens")
    """How much of the validation text is used each time, always the same part."""


class Pretrain(Settings):
    """Training on the corpus itself."""

    objective: Objective = Field(default="mlm")  # type: ignore[assignment]
    """What is hidden from the model, and the loss."""
    length: Every = Length.parse("3 epochs")
    """How long to train."""
    batch: Batch = Length.parse("16k tokens")
    """What one optimizer step sees, in tokens or sequences."""
    sequence_length: int = Field(default=128, ge=8)
    """Longest sequence in tokens, special ones included; longer documents are cut into several."""
    optimizer: Optimizer = Field(default={"adamw": {"lr": 1e-3}})  # type: ignore[assignment]
    """The optimizer."""
    schedule: Schedule = Field(default={"linear": {"warmup": "6%"}})  # type: ignore[assignment]
    """How the learning rate moves over the length."""
    gradients: Gradients = Field(default=[{"clip_norm": 1.0}])  # type: ignore[list-item]
    """What is done to the gradients between backward and step, in this order."""
    checkpoint: Checkpoint = Checkpoint()
    """When the whole state is written."""
    validate_: Validate = Field(default=Validate(), alias="validate")
    """When held-out text is looked at."""


class Evaluate(Settings):
    """How figures are stated."""

    intervals: Interval = Field(default="bootstrap")  # type: ignore[assignment]
    """How intervals are made."""


class Hardware(Settings):
    """What the run may use. It changes what is learnt by rounding only, and micro-batches where dropout falls."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the matrix products; all else stays fp32. auto: bf16 where the processor has it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes an accelerator when there is one."""
    threads: int | None = Field(default=None, ge=1)
    """Processor threads, of all ranks together; all cores unless given. Another number may change the last bits."""
    ranks: int = Field(default=1, ge=1, le=256)
    """Processes that share each step of the pretraining, on this machine; with CUDA one for each device."""
    micro_batch: Batch | None = None
    """Most tokens or sequences in a rank's memory at once; a batch is added up from such pieces, exactly."""


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError(f"{name!r} names a folder: letters, digits, `.`, `_`, `-` only, at most 64")
    return name


FolderName = Annotated[str, AfterValidator(_folder_name), Called("name")]


class Recipe(Settings):
    """The whole way from text to model, in pipeline order; all but `corpus` and `model` may be left out."""

    name: FolderName = "run"
    """Name of the run's folder: letters, digits, `.`, `_`, `-`."""
    seed: int = Field(default=17, ge=0, lt=2**32)
    """Seed of everything random."""
    corpus: Corpus
    """The text."""
    tokenizer: TokenizerPart | None = None
    """How text becomes tokens. Left out: the checkpoint's own, or a WordPiece of 16k."""
    model: Family
    """Which architecture, and from which weights it starts."""
    pretrain: Pretrain | None = None
    """Training on the corpus; left out, tasks start from the model as it is."""
    tasks: dict[FolderName, Task] = Field(default_factory=dict)
    """What the model is fine-tuned to and judged by, each under a name of its own."""
    evaluate: Evaluate = Field(default_factory=Evaluate)
    """How figures are stated."""
    hardware: Hardware = Hardware()
    """What the run may use."""
