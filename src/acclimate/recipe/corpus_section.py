"""The section `corpus` of a recipe: where the text comes from and what is done to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from acclimate.recipe.portions import Portion, TextUnit
from acclimate.recipe.roles import Cleaner, Reader, Selection
from acclimate.recipe.settings import Settings
from acclimate.recipe.units import Count, Share


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
