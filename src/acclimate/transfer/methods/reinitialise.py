"""Drawing the top of a pretrained model anew before it is tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from acclimate.errors import UserError
from acclimate.transfer.methods.blocks import Blocks
from acclimate.transfer.methods.method import Method, Prelude

if TYPE_CHECKING:
    from torch import nn


class Reinitialise(Prelude):
    """The top k layers, and what stands above them, are drawn anew from the seed; then the model is tuned.

    Source: Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning": the top of a language model is too much that of
    its pretraining; best k from 1 to 6 of 24, by task, with most to gain where examples are few. Drawn as BERT's
    authors do: normal with 0.02, cut at two standard deviations; gains 1, biases 0.
    """

    registered_as: ClassVar[tuple[str, str]] = ("transfer", "reinitialise")
    bare: ClassVar[str | None] = "layers"

    layers: int = Field(default=1, ge=1)
    """k: how many of the top layers."""

    def named(self) -> Sequence[int | str]:
        return [*range(self.layers), *super().named()]

    def require_blocks(self, number: int) -> None:
        if self.layers > number:
            words = f"the model has {number} layers, asked to draw {self.layers} anew"
            raise UserError(f"transfer.reinitialise.layers: {words}")
        super().require_blocks(number)

    def prepare(self, model: nn.Module, seed: int) -> None:
        import torch

        from acclimate.optim.truncated_normal import TruncatedNormal

        blocks = Blocks(model)
        self.require_blocks(blocks.number)
        draw = TruncatedNormal().build(generator=torch.Generator().manual_seed(seed))
        top = [name for number in range(1, self.layers + 1) for name in blocks.modules(-number)]
        above = _modules_of(model, blocks.head)
        for module in map(model.get_submodule, [*top, *above]):
            draw(module)
            _plain_norms(module)

    def begin(self, model: nn.Module, seed: int) -> Method:
        self.prepare(model, seed)  # again in each period, it would throw away what the one before has taught
        return self.following.begin(model, seed)


def _modules_of(model: nn.Module, names: frozenset[str]) -> list[str]:
    """The modules that hold these parameters themselves, each once, in the model's order."""
    holders = [name.rpartition(".")[0] for name, _ in model.named_parameters() if name in names]
    return list(dict.fromkeys(holders))


def _plain_norms(module: nn.Module) -> None:
    """Gains of norms of whatever class are 1."""
    from torch import nn

    for one in module.modules():
        weight = getattr(one, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim == 1:
            nn.init.ones_(weight)
