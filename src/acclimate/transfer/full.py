"""Full fine-tuning: every weight of the model moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import nn


class Full(Component):
    """All parameters train, those of the body as those of the head."""

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "full")

    def build(self, *, model: nn.Module) -> list[str]:
        """Names of the parameters that train, in the model's own order; a tied one is named once."""
        return [name for name, _ in model.named_parameters()]
