"""What may be done to a training besides its loss: parts that wrap the objective that is trained on.

Held-out data are always measured with the objective as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Tensor, nn

    from acclimate.batching.packed import PackedBatch
    from acclimate.objectives.protocol import Objective


class Regulariser(Component):
    """Settings of such a part."""

    needs_scores: ClassVar[bool] = False
    """Whether the objective must tell the probabilities that it scores (`ScoredObjective`)."""

    needs_dropout: ClassVar[bool] = False
    """Whether it has nothing to act on where nothing is hidden at random in training."""

    if TYPE_CHECKING:

        def build(self, *, objective: Any, model: nn.Module) -> Any:
            """The objective with this done to it; `model` has the weights that it starts from."""
            ...


def regularised(objective: Objective, parts: Sequence[Any], model: nn.Module) -> Objective:
    """The objective with all of these done to it, the first one innermost."""
    for part in parts:
        objective = part.build(objective=objective, model=model)
    return objective


class Wrapped:
    """An objective around another one, which prepares and counts. What the other one scores is not told: it would be
    without what is done here."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        if name in ("scored", "inner"):
            raise AttributeError(name)
        return getattr(self.inner, name)


def calling(
    model: nn.Module, weights: dict[str, Tensor], call: Callable[..., Any], batch: PackedBatch
) -> Any:
    """call(model, batch), the model with these weights, by name, in the place of its own."""
    from torch import nn
    from torch.func import functional_call

    class Call(nn.Module):  # type: ignore[misc]
        """A module whose call it is, for weights can be swapped in calls of modules alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self) -> Any:
            return call(self.model, batch)

    return functional_call(Call(), {f"model.{name}": one for name, one in weights.items()}, ())
