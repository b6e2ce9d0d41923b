"""Looking one step of plain descent ahead before the weights move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from acclimate.batching.packed import PackedBatch
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Wrapped, calling

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LookingAhead(Wrapped):
    """The loss of a batch of new and old examples at θ − α·∇ of the mean loss of its new ones; first order: the
    gradient at that place is taken for the gradient at θ. A micro-batch looks for itself."""

    def __init__(self, inner: Any, *, alpha: float, number_of_new: int) -> None:
        """number_of_new: sequences with smaller ids are new."""
        super().__init__(inner)
        self._alpha, self._number = alpha, number_of_new

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The loss one step ahead."""
        new = torch.from_numpy(batch.ids < self._number).to(batch.tokens.device)
        if not self._alpha or not bool(new.any()):
            return self.inner.loss(model, batch)  # type: ignore[no-any-return]
        weights = {name: one for name, one in model.named_parameters() if one.requires_grad}
        here = self.inner.loss(model, batch).only(new)
        slopes = torch.autograd.grad(here.sum / here.count, list(weights.values()), allow_unused=True)
        ahead = {
            name: one if slope is None else one - self._alpha * slope
            for (name, one), slope in zip(weights.items(), slopes, strict=True)
        }
        return calling(model, ahead, self.inner.loss, batch)  # type: ignore[no-any-return]
