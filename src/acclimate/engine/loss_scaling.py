"""Scaling of the loss, without which small gradients are lost in fp16."""

from __future__ import annotations

from typing import Any

LEAST = 1.0
"""Below it scaling cannot be the reason of an infinite gradient."""


class LossScaler:
    """The loss is multiplied by S before the backward pass, gradients are divided by it after (Micikevicius et al.
    2018). S is a power of two: in fp32 neither changes a bit.

    S begins at 2^16, is doubled after 2000 steps in a row without an infinite gradient, and halved at each step with
    one, which is skipped.
    """

    def __init__(self, scale: float = 2.0**16, patience: int = 2000) -> None:
        self.scale = scale
        self._patience = patience
        self._clean = 0

    def step_was_taken(self) -> None:
        self._clean += 1
        if self._clean >= self._patience:
            self.scale, self._clean = 2 * self.scale, 0

    def found_infinite(self) -> bool:
        """Halve the scale; False where it cannot be halved any more, and the numbers themselves are broken."""
        if self.scale <= LEAST:
            return False
        self.scale, self._clean = self.scale / 2, 0
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"scale": self.scale, "clean": self._clean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scale, self._clean = float(state["scale"]), int(state["clean"])
