"""Fine-tuning in which more and more trains, or one part after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from acclimate.errors import UserError
from acclimate.recipe.roles import Every
from acclimate.recipe.units import Length, Share
from acclimate.transfer.methods.blocks import Blocks, require_blocks
from acclimate.transfer.methods.method import Method, Phase, Plan

if TYPE_CHECKING:
    from torch import nn


class Gradual(Method):
    """Gradual unfreezing: first the head alone, then the top block with it, then the next one, down to the embedding;
    what once trains goes on training.

    Source: Howard & Ruder 2018, "Universal Language Model Fine-tuning" (a block an epoch). With `optimizer.layer_decay`
    1/2.6 and the schedule `slanted_triangular` it is their recipe.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "gradual")
    bare: ClassVar[str | None] = "every"

    every: Every = Length.parse("1 epochs")
    """How long it takes from one to the next, in the unit of the task's `length`, which must leave room for all."""
    order: list[int | str] | None = Field(default=None, min_length=1)
    """What begins to train after the head, one after the other: layers by number (0 the lowest, -1 the top one),
    `embeddings`, or patterns of names. All layers from the top and the embedding, unless given; what is not named
    never trains."""

    @field_validator("order")
    @classmethod
    def _once(cls, value: list[int | str] | None) -> list[int | str] | None:
        twice = [part for part in value or [] if (value or []).count(part) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice")
        return value

    def named(self) -> Sequence[int | str]:
        return self.order or []

    def require_blocks(self, number: int) -> None:
        require_blocks(self.order or [], number, "transfer.gradual.order")

    def require_length(self, number: int, length: Length) -> None:
        self._require_room(number + 1 if self.order is None else len(self.order), length)

    def _require_room(self, number: int, length: Length) -> None:
        """For so many parts to begin one after the other."""
        if self.every.unit != length.unit:
            words = f"'{self.every}' is in {self.every.unit}, the task's length '{length}' in {length.unit}"
            raise UserError(f"transfer.gradual.every: {words}; say both in one unit")
        if number * self.every.amount >= length.amount:
            words = f"the last of {number} parts would begin after '{self.every}' each"
            raise UserError(
                f"transfer.gradual.every: {words}, and the task's length is '{length}'; make that longer"
            )

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        blocks = Blocks(model)
        blocks.require_numbered("transfer.gradual")
        self.require_blocks(blocks.number)
        order = self.order or [
            *reversed(range(blocks.number)),
            *(["embeddings"] if blocks.embeddings else []),
        ]
        self._require_room(len(order), length)
        phases, trained = [], blocks.head
        for number, part in enumerate(order, 1):
            phases.append(Phase(trained, Length(number * self.every.amount, length.unit)))
            trained |= blocks.chosen([part], "transfer.gradual.order")
        return Plan((*phases, Phase(trained)))


class ChainThaw(Method):
    """Chain-thaw: the head alone, then every layer by itself from the embedding upwards, in the end all together. Each
    is a training of its own with an equal stretch of the length, and begins with the best weights so far.

    Source: Felbo et al. 2017, "Using millions of emoji occurrences". Patience ends a stretch early, as they do.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "chain_thaw")

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        blocks = Blocks(model)
        blocks.require_numbered("transfer.chain_thaw")
        layers = [blocks.embeddings, *(blocks.block(number) for number in range(blocks.number))]
        trained = [blocks.head, *(one for one in layers if one), blocks.all]
        ends = [
            Length(length.amount * number / len(trained), length.unit) for number in range(1, len(trained))
        ]
        return Plan(tuple(map(Phase, trained, [*ends, None])), anew=True)


class ProbeFirst(Method):
    """Linear probing, then full fine-tuning: a head that has learnt first does not distort the body's features.

    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution".
    Two trainings with a schedule each, the second from the best head of the first.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "probe_first")
    bare: ClassVar[str | None] = "share"

    share: Share = 0.5
    """The part of the length in which the head trains alone."""
    rate: float = Field(default=10.0, gt=0)
    """What the learning rate is multiplied by while it does: a rate for a whole body is small for a new head."""

    @field_validator("share")
    @classmethod
    def _some_of_both(cls, value: float) -> float:
        if not 0 < value < 1:
            raise ValueError("expected more than 0% and less than 100%")
        return value

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        blocks = Blocks(model)
        blocks.require_numbered("transfer.probe_first")
        probe = Phase(blocks.head, Length(length.amount * self.share, length.unit), self.rate)
        return Plan((probe, Phase(blocks.all)), anew=True)
