"""What a model that remembers says of the next stretch of several streams of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Memory = dict[str, "Tensor"]
"""[B, …] each: what is carried from one stretch to the next, of each of B streams; without gradients."""


@dataclass(frozen=True)
class Onward:
    """Of B streams with L tokens each, one after the other in a row."""

    hidden: Tensor
    """[B·L, H] the last layer's output."""
    memory: Memory
    """To be given with the next stretch."""
    undropped: Tensor | None = None
    """[B·L, H] the output before its dropout, where the family has it."""
