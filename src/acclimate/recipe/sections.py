"""The sections of a recipe, in pipeline order. What a section chooses among stands in the rooms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from acclimate.recipe.agreement import (
    require_growth,
    require_heads,
    require_marks,
    require_regularity,
    require_streams,
    require_texts,
    require_together,
)
from acclimate.recipe.corpus_section import Corpus
from acclimate.recipe.curriculum import Curriculum
from acclimate.recipe.gradient_lists import require_gradients
from acclimate.recipe.growth import Grow
from acclimate.recipe.roles import (
    Average,
    Every,
    Family,
    Gradients,
    Interval,
    Objective,
    Optimizer,
    Reader,
    Regulariser,
    Schedule,
    Segmentation,
    Task,
    TokenizerPart,
)
from acclimate.recipe.settings import Settings
from acclimate.recipe.study import Study
from acclimate.recipe.units import Batch, Length
from acclimate.recipe.wording import Called


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
    segmentation: Segmentation | None = None
    """How training text is split into tokens at random (validation text never is); the plain way unless given."""
    curriculum: Curriculum | None = None
    """Easy sequences first; off unless given (`{}` will do)."""
    grow: Grow | None = None
    """Begin with the model's first layers, and add the others in stages; off unless given."""
    optimizer: Optimizer = Field(default={"adamw": {"lr": 1e-3}})  # type: ignore[assignment]
    """The optimizer."""
    schedule: Schedule = Field(default={"linear": {"warmup": "6%"}})  # type: ignore[assignment]
    """How the learning rate moves over the length."""
    gradients: Gradients = Field(default=[{"clip_norm": 1.0}])  # type: ignore[list-item]
    """What is done to the gradients between backward and step, in this order."""
    regularise: list[Regulariser] = Field(default=[])
    """What is done to the loss that is trained on, the first innermost; held-out data are measured without it."""
    average: Average | None = None
    """Which average of the weights over the training is judged and delivered; the trained weights unless given."""
    checkpoint: Checkpoint = Checkpoint()
    """When the whole state is written."""
    validate_: Validate = Field(default=Validate(), alias="validate")
    """When held-out text is looked at."""

    @model_validator(mode="after")
    def _marks_are_known(self) -> Pretrain:
        require_marks(self)
        return self


class Together(Settings):
    """Tasks that are learnt in one training, over one body with a head for each (Caruana 1997; Liu et al. 2019), or
    over one embedding with a body for each (Collobert and Weston 2008). What is said here stands in the place of what
    each task says of its own training; data, metrics, seeds and baseline stay theirs."""

    tasks: list[str] | None = None
    """Which tasks; all of the recipe unless given."""
    alpha: float = Field(default=0.5, ge=0, le=1)
    """Tasks are drawn with p ∝ n^α of their n examples: 1 as they are, 0 all alike; a half between (square root)."""
    share: Literal["body", "embeddings"] = "body"
    """What is one in all tasks: the whole `body` with a head for each, or the table of tokens alone (`embeddings`),
    each task with a body of its own above it. What is shared gets the sum of the tasks' gradients."""
    weights: dict[str, float] | None = None
    """Of each task's loss, by its name; 1 unless given."""
    length: Every = Length.parse("5 epochs")
    """How long to train at most; an epoch is one of all tasks as they are drawn."""
    batch: Batch = Length.parse("32 sequences")
    """What one optimizer step sees, of all tasks together."""
    optimizer: Optimizer = Field(default={"adamw": {"lr": 3e-4}})  # type: ignore[assignment]
    """The optimizer."""
    schedule: Schedule = Field(default={"linear": {"warmup": "10%"}})  # type: ignore[assignment]
    """How the learning rate moves over the length."""
    gradients: Gradients = Field(default=[{"clip_norm": 1.0}])  # type: ignore[list-item]
    """What is done to the gradients between backward and step, in this order."""
    regularise: list[Regulariser] = Field(default=[])
    """What is done to every task's loss."""
    average: Average | None = None
    """Which average of the weights over the training is judged and delivered; the trained weights unless given."""
    patience: int | None = Field(default=3, ge=1)
    """A task whose own validation has not been better so many times in a row no longer counts; null: all count to the
    end. Each takes its own best weights."""

    @model_validator(mode="after")
    def _proper_weights(self) -> Together:
        for name, weight in (self.weights or {}).items():
            if weight < 0:
                raise ValueError(f"weights: expected 0 or more for {name!r}, found {weight}")
        return self


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError(f"{name!r} names a folder: letters, digits, `.`, `_`, `-` only, at most 64")
    return name


FolderName = Annotated[str, AfterValidator(_folder_name), Called("name")]


class Evaluate(Settings):
    """How figures are stated."""

    intervals: Interval = Field(default="bootstrap")  # type: ignore[assignment]
    """How intervals are made."""
    texts: dict[FolderName, Reader] = Field(default_factory=dict)
    """Texts that are not of the domain, such as general ones, each under a name: bits per byte of the model on them
    before the pretraining and after it, which shows what it forgets. Up to a million characters of each are used."""


class Hardware(Settings):
    """What the run may use. It changes what is learnt by rounding only, and micro-batches where dropout falls."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the matrix products; all else stays fp32. auto: bf16 where the processor has it. fp16, for CUDA
    devices without bf16: the loss is scaled, and steps with infinite gradients are skipped."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes an accelerator when there is one."""
    threads: int | None = Field(default=None, ge=1)
    """Processor threads, of all ranks together; all cores unless given. Another number may change the last bits."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Processes that clean the corpus; one for each core that may be used unless given. Any number gives the same."""
    cluster: Literal["ray"] | None = None
    """Where those processes are: on this machine, or `ray`: on the cluster that RAY_ADDRESS names, or a local one."""
    ranks: int = Field(default=1, ge=1, le=256)
    """Processes that share each step of the pretraining, on this machine; with CUDA one for each device."""
    micro_batch: Batch | None = None
    """Most tokens or sequences in a rank's memory at once; a batch is added up from such pieces, exactly."""


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
    together: Together | None = None
    """Learn tasks in one training over one body; each by itself unless given (`{}` will do)."""
    evaluate: Evaluate = Field(default_factory=Evaluate)
    """How figures are stated."""
    hardware: Hardware = Hardware()
    """What the run may use."""
    study: Study | None = None
    """What `acclimate study` compares; such a recipe is not for `acclimate run`."""

    @model_validator(mode="after")
    def _model_has_the_head(self) -> Recipe:
        require_heads(self)
        require_streams(self)
        require_regularity(self)
        require_together(self)
        require_growth(self)
        require_gradients(self)
        require_texts(self)
        return self


class CorpusRecipe(Recipe):
    """A recipe of which only the corpus is wanted; it needs no model."""

    model: Family | None = None  # type: ignore[assignment]
    """Which architecture, and from which weights it starts."""


_OF_A_CORPUS = frozenset(("name", "seed", "corpus", "tasks", "hardware"))


def recipe_or_corpus(data: Mapping[str, Any]) -> type[Recipe]:
    """What a recipe with these sections is for: a model, or a corpus alone."""
    return CorpusRecipe if "corpus" in data and data.keys() <= _OF_A_CORPUS else Recipe
