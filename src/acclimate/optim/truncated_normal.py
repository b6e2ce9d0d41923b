"""Truncated normal initialisation, as BERT's authors drew their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Generator, nn


class TruncatedNormal(Component):
    """Weights from a normal distribution cut at two standard deviations; biases 0, norms 1.

    Source: Devlin et al. 2019 (the released code's `truncated_normal_initializer(0.02)`).
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "truncated_normal")
    bare: ClassVar[str | None] = "std"

    std: float = Field(default=0.02, gt=0)
    """Standard deviation before the cut."""

    def build(self, *, generator: Generator) -> Callable[[nn.Module], None]:
        """A function that initialises a whole model in place from the generator."""

        def initialise(model: nn.Module) -> None:
            import torch

            drawn: set[int] = set()  # a tied weight is drawn once, for the module that comes first
            with torch.no_grad():
                for module in model.modules():
                    weight = getattr(module, "weight", None)
                    if weight is None or id(weight) not in drawn:
                        self._initialise(module, generator)
                    drawn.add(id(weight))

        return initialise

    def _initialise(self, module: Any, generator: Generator) -> None:
        from torch import nn

        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.trunc_normal_(
                module.weight, std=self.std, a=-2 * self.std, b=2 * self.std, generator=generator
            )
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx].zero_()
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if isinstance(module, (nn.Linear, nn.LayerNorm)) and module.bias is not None:
            nn.init.zeros_(module.bias)
