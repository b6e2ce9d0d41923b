"""A part of the published families that a recipe may choose where their configuration has a place for it.

A family that takes it has the class here among its bases, and says what its configuration calls it. The family
`transformer` takes it in more forms, and other options besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from acclimate.models.family import Family

FUNCTIONS: Mapping[str, str] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "silu": "silu",
    "swish": "silu",
}
"""Activation → Transformers' name of it."""


class TakesActivation(Family):
    """The function between the two feed-forward layers can be chosen."""

    activation_key: ClassVar[str] = "hidden_act"

    activation: Literal["relu", "gelu", "gelu_tanh", "silu", "swish"] | None = None
    """The function inside the feed-forward parts: relu, gelu (by the error function), gelu_tanh (its approximation),
    silu, which is swish too. The family's own unless given; a family whose feed-forward is gated stays so."""

    def chosen(self) -> dict[str, Any]:
        own = {} if self.activation is None else {self.activation_key: FUNCTIONS[self.activation]}
        return super().chosen() | own

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        return (*super().of_random_weights(), "activation")
