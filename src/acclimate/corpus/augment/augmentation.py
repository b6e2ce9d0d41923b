"""What the ways to augment have in common: how often, and what randomness hangs on."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import Field

from acclimate.corpus.augment.edits import Labelled
from acclimate.errors import UserError
from acclimate.recipe.settings import Component


@dataclass(frozen=True)
class Copy:
    """One example that is to be made anew."""

    source: Labelled
    number: int
    """Which copy of its example it is, from 0."""
    random: random.Random
    """Of this example and copy alone."""


class Augmenter(Protocol):
    """What an augmentation builds."""

    def __call__(self, copies: Sequence[Copy]) -> list[Labelled]:
        """Each made anew; what cannot be changed comes back as it is."""
        ...


class Augmentation(Component):
    """A way to make more training examples from those there are."""

    places: ClassVar[tuple[str, ...]] = ()
    """Settings that name a file or a folder: known by what is in it, not by where it is kept."""
    uses_model: ClassVar[bool] = False
    """Whether a model of Transformers has a part in it."""

    copies: int = Field(default=1, ge=1, le=64)
    """How many new examples each example gives; those that come out equal to it or to another copy are left out."""

    def build(self, *, texts: Sequence[str]) -> Augmenter:
        """`texts` are the training texts, from which new words may be drawn."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What decides the examples that are made, besides the content of files."""
        return {self.registered_as[1]: self.model_dump(mode="json", exclude=set(self.places))}

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """Identity of the files that are read."""
        named = {name: getattr(self, name) for name in self.places}
        return {name: _content(Path(place), digests) for name, place in named.items() if place is not None}


def _content(place: Path, digests: Callable[[Path], str]) -> Any:
    if place.is_dir():
        return {one.name: digests(one) for one in sorted(place.iterdir()) if one.is_file()}
    if not place.is_file():
        raise UserError(f"{place}: there is no such file or folder")
    return digests(place)


def randomness(seed: int, method: str, text: str, number: int) -> random.Random:
    """Of one copy of one text: the same whatever stands around it."""
    named = f"{seed}:{method}:{number}:".encode() + text.encode("utf-8", "surrogatepass")
    return random.Random(int.from_bytes(hashlib.sha256(named).digest()[:8], "big"))
