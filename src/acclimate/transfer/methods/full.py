"""Full fine-tuning: every weight of the model moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from acclimate.recipe.units import Length
from acclimate.transfer.methods.blocks import Blocks
from acclimate.transfer.methods.method import Method, Plan

if TYPE_CHECKING:
    from torch import nn


class Full(Method):
    """All parameters train, those of the body as those of the head."""

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "full")

    def build(self, *, model: nn.Module, length: Length, seed: int) -> Plan:
        return Plan.of(Blocks(model).all)


class Discriminative(Full):
    """All parameters train, the lower ones slower: lr_l = lr·ξ^(L−l) for layer l of L, the embedding the slowest.

    Source: Howard & Ruder 2018, "Universal Language Model Fine-tuning". It is the optimizer's `layer_decay`, with
    their ξ, and goes with any other way of transfer when it is said there.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "discriminative")
    bare: ClassVar[str | None] = "ratio"

    ratio: float = Field(default=round(1 / 2.6, 4), gt=0, lt=1)
    """ξ: 1/2.6 for three LSTM layers (Howard & Ruder); of deep Transformers rather 0.8 or 0.9 (Clark et al. 2020)."""

    def optimizer_of(self, given: Any) -> Any:
        return given.model_copy(update={"layer_decay": self.ratio})
