"""Truncated normal initialisation, as BERT's authors drew their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.optim.initialising import Initialiser

if TYPE_CHECKING:
    from torch import Generator, Tensor


class TruncatedNormal(Initialiser):
    """Weights from a normal distribution cut at two standard deviations; biases 0, norms 1.

    Source: Devlin et al. 2019 (the released code's `truncated_normal_initializer(0.02)`).
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "truncated_normal")
    bare: ClassVar[str | None] = "std"

    std: float = Field(default=0.02, gt=0)
    """Standard deviation before the cut."""

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        self._embedding(weight, generator)

    def _embedding(self, weight: Tensor, generator: Generator) -> None:
        from torch import nn

        nn.init.trunc_normal_(weight, std=self.std, a=-2 * self.std, b=2 * self.std, generator=generator)
