"""The section of a recipe that puts easy sequences first."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from acclimate.recipe.settings import Settings
from acclimate.recipe.units import Length, Share
from acclimate.recipe.wording import Called


def _counted(length: Length) -> Length:
    if length.unit not in ("epochs", "sequences"):
        raise ValueError(f"expected a number of epochs or sequences, found '{length}'")
    if not length.amount:
        raise ValueError(f"expected more than nothing, found '{length}'")
    return length


CurriculumLength = Annotated[Length, AfterValidator(_counted), Called("length in epochs or sequences")]


class Curriculum(Settings):
    """Easy sequences first (Platanios et al. 2019): each is drawn from the easiest share √(t·(1 − c²)/T + c²), t the
    sequences that were seen."""

    by: Literal["rarity", "length"] = "rarity"
    """What makes a sequence hard. rarity: −Σ log p of its tokens, p their share in the corpus; length: its tokens."""
    over: CurriculumLength = Length.parse("1 epochs")
    """T: how long it lasts; then every sequence comes once an epoch."""
    start: Share = 0.01
    """c: the share to begin with (Platanios et al.: 1%)."""
