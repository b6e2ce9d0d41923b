"""Fine-tuning with a part of the model held still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.errors import UserError
from acclimate.recipe.units import Length
from acclimate.transfer.methods.blocks import Blocks, require_blocks
from acclimate.transfer.methods.method import Method, Plan

if TYPE_CHECKING:
    from torch import nn


class Freeze(Method):
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

    def named(self) -> Sequence[int | str]:
        return [*range(self.layers), *self.match]

    def require_blocks(self, number: int) -> None:
        if self.layers > number:
            words = f"the model has {number} layers, asked to freeze {self.layers}"
            raise UserError(f"transfer.freeze.layers: {words}")

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        blocks = Blocks(model)
        self.require_blocks(blocks.number)
        frozen = blocks.chosen([*range(self.layers), *self.match], "transfer.freeze.match")
        frozen |= blocks.embeddings if self.embeddings else frozenset()
        if not frozen:
            raise UserError(
                "transfer.freeze: nothing is frozen; say which `layers`, or leave it out for `full`"
            )
        if frozen == blocks.all:
            raise UserError("transfer.freeze: every parameter is frozen, nothing would train")
        return Plan.of(blocks.all - frozen)


class HeadOnly(Method):
    """The body is a fixed source of features; only what stands above its last layer trains: the pooler and the head.

    Source: Peters et al. 2019, "To Tune or Not to Tune?". The cheapest transfer, and the one that forgets nothing.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "head_only")

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        blocks = Blocks(model)
        blocks.require_numbered("transfer.head_only")
        return Plan.of(blocks.head)


class Only(Method):
    """Only the named parts train, and the head: a few layers, the embedding alone, or all biases (BitFit).

    Source: Ben Zaken et al. 2022, "BitFit" (`only: ["*.bias"]`); tuning the embedding alone, `only: [embeddings]`,
    teaches a domain's words to a body that holds still (Artetxe et al. 2020).
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "only")
    bare: ClassVar[str | None] = "parts"

    parts: list[int | str] = Field(min_length=1)
    """What trains: layers by number (0 the lowest, -1 the top one), `embeddings`, `head`, or patterns of parameters'
    names, `*` for anything."""
    head: bool = True
    """Whether what stands above the last layer trains too; it is new as a rule."""

    def named(self) -> Sequence[int | str]:
        return self.parts

    def require_blocks(self, number: int) -> None:
        require_blocks(self.parts, number, "transfer.only.parts")

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        blocks = Blocks(model)
        chosen = blocks.chosen(self.parts, "transfer.only.parts")
        trained = chosen | blocks.head if self.head and blocks.number else chosen
        if trained == blocks.all:
            raise UserError("transfer.only: every parameter trains; leave it out for `full`")
        return Plan.of(trained)
