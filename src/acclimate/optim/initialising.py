"""What initialisers have in common: a walk through the model, each weight drawn once from one generator."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

_RESIDUAL = re.compile(
    r"\.\d+\..*(output\.dense|c_proj|out_proj|o_proj|down_proj|out_lin|lin2|fc2|ffn_output)$"
)


def writes_to_stream(name: str) -> bool:
    """Whether the module of this name is the last of a residual branch: its output is added to the block's stream."""
    return _RESIDUAL.search(name) is not None


class Initialiser(Component):
    """Draws every weight anew; biases 0, gains of norms 1, the row of padding 0. A subclass draws matrices."""

    needs: ClassVar[tuple[str, str] | None] = None
    """What a family must offer (`Family.offers`), and where it is found, in words; None: nothing."""

    def build(self, *, generator: Generator) -> Callable[[nn.Module], None]:
        """A function that initialises a whole model in place from the generator."""

        def initialise(model: nn.Module) -> None:
            import torch

            branches = sum(writes_to_stream(name) for name, _ in model.named_modules())
            drawn: set[int] = set()  # a tied weight is drawn once, for the module that comes first
            with torch.no_grad():
                for name, module in model.named_modules():
                    weight = getattr(module, "weight", None)
                    if weight is None or id(weight) not in drawn:
                        self._initialise(name, module, branches, generator)
                    drawn.add(id(weight))

        return initialise

    def _initialise(self, name: str, module: nn.Module, branches: int, generator: Generator) -> None:
        from torch import nn
        from transformers.pytorch_utils import Conv1D

        if isinstance(module, nn.Embedding):
            self._embedding(module.weight, generator)
            if module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, (nn.Linear, Conv1D)):
            # Conv1D, GPT-2's linear layer, keeps its weight the other way round.
            matrix = module.weight.T if isinstance(module, Conv1D) else module.weight
            self._matrix(matrix, branches if writes_to_stream(name) else 0, generator)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        else:
            return
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        """Fill [outputs, inputs]. `branches`: how many residual branches the model has, where this ends one; else 0."""
        raise NotImplementedError

    def _embedding(self, weight: Tensor, generator: Generator) -> None:
        """Fill a table; by default as BERT's authors, normal with 0.02, cut at two standard deviations."""
        from torch import nn

        nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04, generator=generator)
