"""Fine-tuning with a part of the model held still."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.errors import UserError
from acclimate.optim.parameter_groups import depths
from acclimate.recipe.settings import Component, nearest

if TYPE_CHECKING:
    from torch import nn


class Freeze(Component):
    """The lowest layers, the embedding, or parameters by name keep their weights: they get no gradient and no optimizer
    state, and where all of a module is frozen its dropout is off.

    Source: Howard & Ruder 2018; Lee et al. 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning":
    the upper quarter or half carries most of the gain. Cheaper, for nothing goes back through what is still.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "freeze")
    bare: ClassVar[str | None] = "layers"

    layers: int = Field(default=0, ge=0)
    """How many of the lowest layers are frozen."""
    embeddings: bool = True
    """Whether what lies below the first layer is frozen too."""
    match: list[str] = Field(default=[])
    """Patterns of parameters' names that are frozen besides, `*` for anything: `*.attention.*`."""

    def build(self, *, model: nn.Module) -> list[str]:
        """Names of the parameters that train. Raises UserError where a setting freezes nothing, or all."""
        names = [name for name, _ in model.named_parameters()]
        depth = depths(names)
        blocks = max(depth.values(), default=1) - 1
        if self.layers > blocks:
            raise UserError(
                f"transfer.freeze.layers: the model has {blocks} layers, asked to freeze {self.layers}"
            )
        for pattern in self.match:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise UserError(
                    f"transfer.freeze.match: {pattern!r} matches no parameter; {nearest(pattern, names)}"
                )
        trained = [name for name in names if not self._frozen(name, depth[name], blocks)]
        if not trained:
            raise UserError("transfer.freeze: every parameter is frozen, nothing would train")
        if len(trained) == len(names):
            raise UserError(
                "transfer.freeze: nothing is frozen; say which `layers`, or leave it out for `full`"
            )
        return trained

    def _frozen(self, name: str, depth: int, blocks: int) -> bool:
        low = depth == blocks + 1 and self.embeddings
        return (
            low or blocks - self.layers < depth <= blocks or any(fnmatchcase(name, one) for one in self.match)
        )


class HeadOnly(Component):
    """The body is a fixed source of features; only what stands above its last layer trains: the pooler and the head.

    Source: Peters et al. 2019, "To Tune or Not to Tune?". The cheapest transfer, and the one that forgets nothing.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "head_only")

    def build(self, *, model: nn.Module) -> list[str]:
        """Names of the parameters that train. Raises UserError for a model without layers, or nothing above them."""
        depth = depths([name for name, _ in model.named_parameters()])
        trained = [name for name, layers in depth.items() if not layers]
        if not trained or len(trained) == len(depth):
            raise UserError("transfer.head_only: the model has no head above numbered layers")
        return trained
