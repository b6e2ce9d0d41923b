"""The sections of a recipe, in pipeline order. What a section chooses among stands in the rooms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from acclimate.recipe.agreement import (
    require_growth,
    require_heads,
    require_marks,
    require_regularity,
    require_streams,
    require_together,
)
from acclimate.recipe.curriculum import Curriculum
from acclimate.recipe.gradient_lists import once_each, require_gradients
from acclimate.recipe.growth import Grow
from acclimate.recipe.portions import Portion, TextUnit
from acclimate.recipe.settings import Component, Part, Settings
from acclimate.recipe.study import Study
from acclimate.recipe.units import Batch, Count, Length, Share
from acclimate.recipe.wording import Called

Reader = Annotated[Component, Part("reader", default="files")]
Cleaner = Annotated[Component, Part("cleaner")]
Selection = Annotated[Component, Part("selection")]
TokenizerPart = Annotated[Component, Part("tokenizer")]
Segmentation = Annotated[Component, Part("segmentation")]
Family = Annotated[Component, Part("family", tag="family")]
Objective = Annotated[Component, Part("objective")]
Optimizer = Annotated[Component, Part("optimizer")]
Schedule = Annotated[Component, Part("schedule")]
Gradient = Annotated[Component, Part("gradient")]
Gradients = Annotated[list[Gradient], AfterValidator(once_each)]
Regulariser = Annotated[Component, Part("regulariser")]
Average = Annotated[Component, Part("average")]
Task = Annotated[Component, Part("task")]
Interval = Annotated[Component, Part("interval")]


class Near(Settings):
    """Near-duplicates, found by MinHash-LSH over shingles (Broder 1997; Lee et al. 2022), each verified by its true
    similarity to the document that is kept for it."""

    threshold: Share = 0.8
    """Documents at least this similar (Jaccard of shingle sets) count as one; the first one read is kept."""
    shingles: Literal["words", "characters"] = "words"
    """What shingles are made of: words, which in scripts without spaces are single characters; or letters and digits,
    which finds copies with misspelt or wrongly split words."""
    size: int = Field(default=5, ge=1, le=64)
    """How many in a row make a shingle; 5 suits words, 10 or more characters of alphabets."""

    @field_validator("threshold")
    @classmethod
    def _near_enough(cls, value: float) -> float:
        if value < 0.1:
            raise ValueError(f"expected 10% or more, found {value:.0%}: less ties everything together")
        return value


class Substrings(Settings):
    """Repeated substrings: what stood before in the corpus, in a document that stays (Lee et al. 2022). A word is a run
    of letters and digits, in scripts without spaces one character; case, punctuation and white space do not count."""

    words: int = Field(default=50, ge=10, le=10_000)
    """The shortest run of words that counts as repeated."""
    action: Literal["cut", "drop"] = "cut"
    """cut: the second and later occurrences are taken out; drop: documents made of them are dropped."""
    most: Share = 0.5
    """With `drop`: the greatest share of its words that a document may have in repeated runs."""


class Deduplicate(Settings):
    """Which documents count as repeats."""

    exact: bool = True
    """Drop a document whose cleaned text was seen before."""
    near: Near | None = None
    """Drop near-duplicates too; off unless given."""
    substrings: Substrings | None = None
    """Take out repeated substrings too, after near-duplicates; off unless given, for it reads the corpus three times
    more."""


class Decontaminate(Settings):
    """Takes the validation and test texts of the recipe's tasks out of the text that a model learns from (Brown et al.
    2020, appendix C). Documents that equal one, or nearly, are dropped (`in_task`); what others share with one is cut
    out. Case, punctuation and white space do not count; the list of all is contamination.jsonl."""

    words: int = Field(default=13, ge=5, le=100)
    """So many words in a row of a held-out text must not stay. Shorter texts are looked for whole, from half that
    length on; still shorter ones as whole documents only."""
    characters: int = Field(default=50, ge=10, le=1000)
    """The same for scripts without spaces; in mixed text a word counts as much as `characters / words` characters."""
    near: Share = 0.8
    """Documents at least this similar (Jaccard of sets of five words in a row) to a held-out text are dropped."""
    action: Literal["cut", "drop"] = "cut"
    """cut: what a document shares with a held-out text is taken out, and the document dropped if that is more than
    half of it; drop: it is dropped in any case (`contaminated`)."""
    tests: list[Reader] = Field(default_factory=list)
    """More texts to keep out, such as test sets of tasks that are not in the recipe: read as `sources` are."""

    @field_validator("tests", mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        return [value] if isinstance(value, (dict, str)) else value

    @field_validator("near")
    @classmethod
    def _near_enough(cls, value: float) -> float:
        if value < 0.5:
            raise ValueError(f"expected 50% or more, found {value:.0%}: less is no copy")
        return value


class Split(Settings):
    """Shares of documents held out, by a hash of the document: adding documents never moves old ones, unless they make
    two groups of near-duplicates one."""

    validation: Share = 0.02
    """Held out for validation during training."""
    test: Share = 0.02
    """Held out for the final figures."""
    near: Share | None = 0.8
    """Documents at least this similar stay on one side, that of the first one read; null: only equal ones do, but for
    case and white space, and a pass over the corpus is saved where no other step needs it."""

    @field_validator("near")
    @classmethod
    def _near_enough(cls, value: float | None) -> float | None:
        if value is not None and value < 0.5:
            raise ValueError(f"expected 50% or more, found {value:.0%}: less ties everything together")
        return value

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class Mix(Settings):
    """How much of each source the training text holds; validation and test stay as they are, so that mixes can be
    compared.

    The share of a source is n^α / Σ n^α of its size n, or its weight. What gives less than it has loses the documents
    with the greatest hashes; what gives more repeats its documents, which statistics count as `repeated`.
    """

    alpha: float | None = Field(default=None, ge=0, le=1)
    """α, 0.3 unless weights are given: 1 leaves sizes as they are, 0 makes all sources equal; 0.3 to 0.7 lifts small
    ones (Conneau and Lample 2019; Conneau et al. 2020)."""
    weights: dict[str, float] | None = None
    """Instead of α: a weight for each source, by its name in the statistics (the last part of its path, of a
    glob the last two)."""
    unit: TextUnit = "bytes"
    """What sizes are counted in. Of what can be counted before there are tokens, bytes come nearest to them over
    languages: about four of English to a token, three of Chinese."""
    size: Count | None = None
    """How much training text there is to be, in that unit; as much as there is unless given."""
    most_copies: int = Field(default=10, ge=1, le=1000)
    """How often a document may stand in the training text; a source too small for its share gives less than it."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("alpha") is None and value.get("weights") is None:
            return value | {"alpha": 0.3}
        return value

    @model_validator(mode="after")
    def _proper_weights(self) -> Mix:
        for name, weight in (self.weights or {}).items():
            if weight < 0:
                raise ValueError(f"weights: expected 0 or more for {name!r}, found {weight}")
        if self.weights is not None and self.alpha is not None:
            raise ValueError("give `alpha` or `weights`: weights are taken as they are")
        return self


class Distances(Settings):
    """How far the sources' training texts, those of the tasks and perhaps another corpus lie apart, as matrices in the
    report: overlap of frequent words, Jensen–Shannon divergence, proxy A-distance, difference of cross-entropies."""

    base: Reader | None = None
    """A corpus to compare with besides, such as some of what a checkpoint learnt from."""
    sample: Count = Field(default=500_000, ge=1000)
    """Characters of each that are looked at, chosen by hash."""


class Corpus(Settings):
    """Where the text comes from and what is done to it before anything learns from it."""

    sources: list[Reader] = Field(min_length=1)
    """What to read: `{path: …}` for files, or a named reader."""
    validation: list[Reader] = Field(default=[])
    """Texts held out for validation, read as `sources` are and after them, and treated alike; they stand in for the
    share that `split` would hold out."""
    test: list[Reader] = Field(default=[])
    """The same for the final figures."""
    clean: list[Cleaner] = Field(default=["unicode"])  # type: ignore[list-item]
    """Cleaning steps, in this order."""
    deduplicate: Deduplicate = Deduplicate()
    """Which repeats are dropped."""
    select: Selection | None = None
    """Keep the documents that are most like a target, such as a task's training texts; off unless given."""
    sample: Portion | None = None
    """Keep a part, chosen by a hash of each document: `10%`, `2M characters`, `10k documents`; all unless given."""
    mix: Mix | None = None
    """Make sources give other shares of the training text than they have; off unless given."""
    distances: Distances | None = None
    """Measure how far the domains lie apart; off unless given (`{}` will do)."""
    split: Split = Split()
    """What is held out."""
    decontaminate: Decontaminate | None = Decontaminate()
    """Which texts must not stay in the training text; null lets all in."""

    @field_validator("sources", "validation", "test", mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        return [value] if isinstance(value, (dict, str)) else value

    @property
    def held_out_shares(self) -> tuple[float, float]:
        """Of the sources' documents those that are held out for validation and test."""
        return 0.0 if self.validation else self.split.validation, 0.0 if self.test else self.split.test


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
    """Tasks that are learnt in one training, over one body with a head for each (Caruana 1997; Liu et al. 2019). What is
    said here stands in the place of what each task says of its own training; data, metrics, seeds and baseline stay
    theirs."""

    tasks: list[str] | None = None
    """Which tasks; all of the recipe unless given."""
    alpha: float = Field(default=0.5, ge=0, le=1)
    """Tasks are drawn with p ∝ n^α of their n examples: 1 as they are, 0 all alike; a half between (square root)."""
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


class Evaluate(Settings):
    """How figures are stated."""

    intervals: Interval = Field(default="bootstrap")  # type: ignore[assignment]
    """How intervals are made."""


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
        return self


class CorpusRecipe(Recipe):
    """A recipe of which only the corpus is wanted; it needs no model."""

    model: Family | None = None  # type: ignore[assignment]
    """Which architecture, and from which weights it starts."""


_OF_A_CORPUS = frozenset(("name", "seed", "corpus", "tasks", "hardware"))


def recipe_or_corpus(data: Mapping[str, Any]) -> type[Recipe]:
    """What a recipe with these sections is for: a model, or a corpus alone."""
    return CorpusRecipe if "corpus" in data and data.keys() <= _OF_A_CORPUS else Recipe
