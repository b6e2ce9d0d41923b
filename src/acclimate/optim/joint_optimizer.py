"""Several optimizers, each with parameters of its own, behind the face of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer


class JointOptimizer(Optimizer):
    """Groups and state are the parts' own, held together: rates set here reach them, checkpoints keep all of it."""

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = list(parts)
        # The very dictionaries of the parts, not copies of them.
        self.param_groups = [group for part in parts for group in part.param_groups]
        for part in self.parts:
            part.state = self.state

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of each part."""
        if closure is not None:
            raise ValueError("closures are not taken: the loop computes gradients once a step")
        for part in self.parts:
            part.step()
