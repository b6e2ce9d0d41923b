"""A small set of components of every form, in place of the registered ones, for tests of the plumbing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Literal

import pytest
from pydantic import Field

from acclimate.recipe.loading import LoadedRecipe, load_recipe
from acclimate.recipe.paths import DataPath
from acclimate.recipe.registry import Registry, registry
from acclimate.recipe.roles import Gradient, Reader
from acclimate.recipe.settings import Component, Settings
from acclimate.recipe.units import Count, Length, Share


class Files(Component):
    """Text files."""

    registered_as = ("reader", "files")
    bare = "path"
    path: DataPath
    """What to read."""
    text: str | int = "text"
    """Which column holds the text."""
    most: Count = 1_000
    """Longest document."""

    def build(self) -> object:
        return object()


class Docs(Component):
    """Documentation."""

    registered_as = ("reader", "docstrings")
    packages: list[str] | None = None
    """Which packages."""

    def build(self) -> object:
        return object()


class Unicode(Component):
    """Normal forms."""

    registered_as = ("cleaner", "unicode")
    form: Literal["NFC", "NFKC"] = "NFC"
    """Which normal form."""


class Language(Component):
    """Keeps languages."""

    registered_as = ("cleaner", "language")
    bare = "keep"
    keep: list[str] = Field(min_length=1)
    """Languages that stay."""
    confidence: Share = 0.5
    """At least this sure."""


class Train(Component):
    """Trains a tokenizer."""

    registered_as = ("tokenizer", "train")
    algorithm: Literal["wordpiece", "bpe"] = "wordpiece"
    """Which."""
    vocab_size: Count = 16_000
    """How many entries."""


class Bert(Component):
    """A family."""

    registered_as = ("family", "bert")
    kinds: ClassVar[tuple[str, ...]] = ("mlm", "classification")
    size: Literal["tiny", "mini"] = "mini"
    """How large."""
    positions: int = 512
    """Longest sequence."""

    def max_positions(self) -> int:
        return self.positions

    def refuses(self, kind: str) -> str | None:
        return None


class Mlm(Component):
    """An objective."""

    registered_as = ("objective", "mlm")
    kind: ClassVar[str] = "mlm"
    in_streams: ClassVar[bool] = False
    rate: Share = 0.15
    """How much is hidden."""


class AdamW(Component):
    """An optimizer."""

    registered_as = ("optimizer", "adamw")
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate."""
    weight_decay: float = 0.01
    """Decay."""


class Sgd(Component):
    """Another optimizer."""

    registered_as = ("optimizer", "sgd")
    lr: float
    """Learning rate."""


class Linear(Component):
    """A schedule."""

    registered_as = ("schedule", "linear")
    warmup: Share = 0.06
    """Share of the length."""


class ClipNorm(Component):
    """A gradient transform."""

    registered_as = ("gradient", "clip_norm")
    bare = "max_norm"
    max_norm: float = Field(default=1.0, gt=0)
    """Longest gradient."""


class Chain(Component):
    """A transform made of transforms: components inside a component."""

    registered_as = ("gradient", "chain")
    bare = "steps"
    steps: list[Gradient]
    """What is done."""


class Threshold(Settings):
    """Settings inside a component."""

    low: int = Field(default=0, ge=0)
    """Lowest."""


class Classification(Component):
    """A task."""

    registered_as = ("task", "classification")
    kind: ClassVar[str] = "classification"
    regularise: ClassVar[tuple[Component, ...]] = ()
    average: ClassVar[Component | None] = None
    train: DataPath | None = None
    """Training examples."""
    data: Reader | None = None
    """One source."""
    label: str | int = "label"
    """Which column."""
    threshold: Threshold | bool = False
    """A union of a flag and settings."""
    length: Length = Length.parse("5 epochs")
    """How long."""
    batch: Length = Length.parse("32 sequences")
    """What a step sees."""
    sequence_length: int = 128
    """Longest."""

    def suited(self, family: Component) -> Classification:
        return self

    def idle(self) -> None:
        return None

    def check(self) -> list[tuple[tuple[str | int, ...], str]]:
        if self.train is not None and not Path(self.train).exists():
            return [(("train",), f"there is no file {self.train}")]
        return []


class Bootstrap(Component):
    """Intervals."""

    registered_as = ("interval", "bootstrap")
    resamples: Count = 1_000
    """How many."""


SMALL = (
    Files, Docs, Unicode, Language, Train, Bert, Mlm, AdamW, Sgd, Linear, ClipNorm, Chain, Classification, Bootstrap
)  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The registry with the components above alone."""
    module = ModuleType("small_parts")
    targets: dict[str, dict[str, str]] = {}
    for cls in SMALL:
        setattr(module, cls.__name__, cls)
        role, name = cls.registered_as
        targets.setdefault(role, {})[name] = f"small_parts:{cls.__name__}"
    monkeypatch.setitem(sys.modules, "small_parts", module)
    monkeypatch.setattr(registry, "_targets", targets)
    yield registry


class Recipes:
    """Writes recipes into a folder and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "r.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, text: str, *overrides: str) -> LoadedRecipe:
        return load_recipe(self.write(text), overrides)

    def lines(self, text: str, *overrides: str) -> list[str]:
        """The problems of a recipe, a line each, without the folder."""
        from acclimate.recipe.problems import RecipeError

        with pytest.raises(RecipeError) as caught:
            self.load(text, *overrides)
        return str(caught.value).replace(f"{self.folder}/", "").split("\n")


@pytest.fixture
def recipes(tmp_path: Path, small: Registry) -> Recipes:
    return Recipes(tmp_path)
