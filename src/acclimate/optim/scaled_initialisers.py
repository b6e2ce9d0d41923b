"""Initialisers that look at the shape of a matrix, or at its place in the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.initialising import Initialiser

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


class He(Initialiser):
    """Matrices normal with √(2/inputs): keeps the size of what goes forward through ReLUs. Embeddings as BERT's.

    Source: He et al. 2015, "Delving Deep into Rectifiers".
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "he")

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        weight.normal_(0, (2 / weight.shape[1]) ** 0.5, generator=generator)


class Xavier(Initialiser):
    """Matrices uniform in ±gain·√(6/(inputs + outputs)): a balance between forward and backward. Embeddings as BERT's.

    Source: Glorot & Bengio 2010. The original Transformer's choice.
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "xavier")
    bare: ClassVar[str | None] = "gain"

    gain: float = Field(default=1.0, gt=0)
    """Multiplies the bounds."""

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        bound = self.gain * (6 / sum(weight.shape)) ** 0.5
        weight.uniform_(-bound, bound, generator=generator)


class Gpt2(Initialiser):
    """All weights normal with `std`; those that end a residual branch with std/√(number of branches).

    Source: Radford et al. 2019: two branches for each of L layers, so 1/√(2L); the stream does not grow with depth.
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "gpt2")
    bare: ClassVar[str | None] = "std"

    std: float = Field(default=0.02, gt=0)
    """Standard deviation."""

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        weight.normal_(0, self.std / max(1, branches) ** 0.5, generator=generator)

    def _embedding(self, weight: Tensor, generator: Generator) -> None:
        weight.normal_(0, self.std, generator=generator)


class T5(Initialiser):
    """Matrices normal with 1/√inputs, those of queries with 1/√(inputs·head size) besides, for T5's attention does not
    scale its scores; tables of tokens normal with 1, those of positions by distance with 1/√hidden.

    Source: Raffel et al. 2020 (the released code). The head that shares T5's table scales its input by 1/√hidden, and
    hardly learns from a table of small numbers.
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "t5")

    def build(self, *, generator: Generator) -> Callable[[nn.Module], None]:
        """A function that initialises a whole model in place from the generator."""
        usual = super().build(generator=generator)

        def initialise(model: nn.Module) -> None:
            import torch

            usual(model)
            with torch.no_grad():
                for module in model.modules():
                    if hasattr(module, "key_value_proj_dim"):
                        module.q.weight.mul_(module.key_value_proj_dim**-0.5)
                        if module.has_relative_attention_bias:
                            module.relative_attention_bias.weight.mul_(module.d_model**-0.5)

        return initialise

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        weight.normal_(0, weight.shape[1] ** -0.5, generator=generator)

    def _embedding(self, weight: Tensor, generator: Generator) -> None:
        weight.normal_(0, 1, generator=generator)
