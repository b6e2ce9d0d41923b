"""Mixout: weights that fall back to where they started, at random, while they are tuned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from acclimate.batching.packed import PackedBatch
from acclimate.errors import UserError
from acclimate.objectives.protocol import Loss
from acclimate.objectives.regulariser import Regulariser, Wrapped, calling
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


class Mixout(Regulariser):
    """In every pass each number of the weight matrices is, with probability p, the one that tuning started from:
    w' = (m·w₀ + (1 − m)·w − p·w₀) / (1 − p), so that its mean is w.

    Source: Lee et al. 2020, "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language Models". It
    pulls the model towards its start, as decay would towards 0: for few examples. The weights it started from are kept
    in memory once more. Embeddings, norms, biases and new heads, which have no start to go back to, are left alone.
    """

    registered_as: ClassVar[tuple[str, str]] = ("regulariser", "mixout")
    bare: ClassVar[str | None] = "p"

    p: Share = Field(default=0.1)
    """Probability to fall back; the authors try 70% to 90% on large models with few examples."""

    @field_validator("p")
    @classmethod
    def _proper(cls, value: float) -> float:
        if not 0 < value < 1:
            raise ValueError(f"expected more than 0% and less than 100%, found {value:.0%}")
        return value

    def build(self, *, objective: Any, model: nn.Module) -> FallingBack:
        return FallingBack(objective, model, p=self.p)


class FallingBack(Wrapped):
    """The objective at work; its start is kept with the state of a training."""

    def __init__(self, inner: Any, model: nn.Module, *, p: float) -> None:
        """Raises UserError where no matrix of the body trains."""
        super().__init__(inner)
        self._p = p
        self._start = {name: weight.detach().clone() for name, weight in mixed_weights(model).items()}
        if not self._start:
            raise UserError("regularise.mixout: no weight matrix of the model's body trains; leave it out")

    def loss(self, model: PreTrainedModel, batch: PackedBatch) -> Loss:
        """The loss under mixed weights; its gradient is that of the weights themselves."""
        return self._under(self.inner.loss, model, batch)  # type: ignore[no-any-return]

    def scored(self, model: PreTrainedModel, batch: PackedBatch) -> tuple[Loss, Tensor]:
        """What the objective scores under mixed weights; each call mixes anew."""
        return self._under(self.inner.scored, model, batch)  # type: ignore[no-any-return]

    def _under(self, call: Callable[..., Any], model: PreTrainedModel, batch: PackedBatch) -> Any:
        if not model.training:
            return call(model, batch)
        now = dict(model.named_parameters())
        weights = {name: self._mixed(now[name], start) for name, start in self._start.items()}
        return calling(model, weights, call, batch)

    def _mixed(self, now: Tensor, start: Tensor) -> Tensor:
        import torch

        back = torch.rand_like(now) < self._p
        return (torch.where(back, start, now) - self._p * start) / (1 - self._p)

    def carried(self) -> dict[str, Tensor]:
        """The weights it started from, and what the objective carries."""
        inner = self.inner.carried() if hasattr(self.inner, "carried") else {}
        return {**inner, **{f"start/{name}": one for name, one in self._start.items()}}

    def carry(self, tensors: dict[str, Tensor]) -> None:
        for name, start in self._start.items():
            start.copy_(tensors[f"start/{name}"])
        if hasattr(self.inner, "carry"):
            self.inner.carry({name: one for name, one in tensors.items() if not name.startswith("start/")})


def mixed_weights(model: nn.Module) -> dict[str, Tensor]:
    """The matrices that train of the model's body, but for embeddings; by name."""
    from torch import nn

    body = getattr(model, "base_model_prefix", "")
    found = {}
    for name, module in model.named_modules():
        inside = name == body or name.startswith(f"{body}.") if hasattr(model, body) else True
        if inside and not isinstance(module, nn.Embedding):
            for own, weight in module.named_parameters(recurse=False):
                if weight.requires_grad and weight.ndim > 1:
                    found[f"{name}.{own}" if name else own] = weight
    return found
