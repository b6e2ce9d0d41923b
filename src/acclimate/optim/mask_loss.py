"""Examples whose loss is large are left out of the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor

    from acclimate.optim.gradients import Gradients


class MaskLoss(Component):
    """M_i = 1[ℓ_i ≤ τ]; the loss is ΣMℓ/ΣM, no gradient through M: sequences whose loss is large get none.

    ℓ_i: the mean loss of a sequence's targets. τ: the (1 − share) quantile of the last `window` of them, or μ + kσ.
    Steps in which all are above τ are skipped. It acts before the backward pass, wherever it stands in the list.
    Source: Kang & Hashimoto 2020, "Improved Natural Language Generation via Loss Truncation" (quantile, c = 0.1). For
    text with wrong labels or noise; what is merely hard and rare is left out too.
    """

    registered_as: ClassVar[tuple[str, str]] = ("gradient", "mask_loss")
    bare: ClassVar[str | None] = "share"
    one_of: ClassVar[str | None] = "masking of examples by their loss"
    by_sequence: ClassVar[bool] = True

    share: Share | None = None
    """c: how many of the examples are to be left out; the paper's 10% unless `deviations` is given."""
    deviations: float | None = Field(default=None, ge=0)
    """k: leave out what is above μ + kσ of the last examples, instead of a share."""
    window: int = Field(default=2000, ge=10)
    """How many last examples the threshold is made of."""
    warmup: int = Field(default=100, ge=1)
    """Steps at the start in which losses are gathered and nothing is left out."""

    @model_validator(mode="after")
    def _one_threshold(self) -> MaskLoss:
        if self.share is not None and self.deviations is not None:
            raise ValueError("share and deviations are two thresholds; leave one of them out")
        if self.share is not None and not 0 < self.share < 1:
            raise ValueError(f"share: expected more than 0% and less than 100%, found {self.share:.0%}")
        return self

    def build(self) -> LossMasker:
        return LossMasker(self.share or 0.1, self.deviations, self.window, self.warmup)


class LossMasker:
    """The transform. Its state is the losses that count and the number of steps."""

    def __init__(self, share: float, deviations: float | None, window: int, warmup: int) -> None:
        self._share, self._deviations = share, deviations
        self._window, self._warmup = window, warmup
        self._history: list[float] = []
        self._fresh: list[float] = []
        self._steps = self._left_out = 0
        self._threshold: float | None = None

    def keeps(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Summed losses [B] of sequences and their targets [B] → [B] bool, which sequences count.

        The threshold is made of the steps before: how a step is cut into micro-batches does not matter.
        """
        import torch

        asked = counts > 0
        losses = sums.detach().float() / counts.clamp(min=1e-30)
        self._fresh += losses[asked & losses.isfinite()].tolist()
        if self._threshold is None:
            return torch.ones_like(asked)
        kept = ~asked | (losses <= self._threshold)  # NaN is not
        self._left_out += int((~kept).sum())
        return kept

    def begin(self) -> None:
        """A step begins."""
        self._fresh, self._left_out = [], 0
        self._threshold = self._made() if self._steps >= self._warmup and self._history else None

    def end(self) -> dict[str, float]:
        """A step is over, whether or not it was taken; returns figures for the log."""
        self._history = (self._history + self._fresh)[-self._window :]
        self._steps += 1
        figures = {"masked": float(self._left_out)}
        return figures if self._threshold is None else {**figures, "mask_threshold": self._threshold}

    def _made(self) -> float:
        losses = np.array(self._history)
        if self._deviations is not None:
            return float(losses.mean() + self._deviations * losses.std())
        return float(np.quantile(losses, 1 - self._share))

    def __call__(self, gradients: Gradients) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"history": list(self._history), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._history, self._steps = list(state["history"]), int(state["steps"])
