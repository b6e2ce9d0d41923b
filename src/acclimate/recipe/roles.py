"""The choices of components that several sections have, and lengths that must be more than nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from acclimate.recipe.gradient_lists import once_each
from acclimate.recipe.settings import Component, Part
from acclimate.recipe.units import Length

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


def _some(length: Length) -> Length:
    if not length.amount:
        raise ValueError(f"expected more than nothing, found '{length}'")
    return length


Every = Annotated[Length, AfterValidator(_some)]
