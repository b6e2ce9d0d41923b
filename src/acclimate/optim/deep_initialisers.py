"""Initialisers for deep Transformers, whose scale hangs on how many layers there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from acclimate.optim.initialising import Initialiser

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


class OfDepth(Initialiser):
    """Draws all matrices as Xavier does, then scales those that decide how far a layer moves its input: values, outputs
    of branches, and feed-forwards. Queries and keys are left as they are."""

    def scale(self, layers: int) -> float:
        """What those are multiplied by in a model of so many layers."""
        raise NotImplementedError

    def build(self, *, generator: Generator) -> Callable[[nn.Module], None]:
        """A function that initialises a whole model in place from the generator."""
        usual = super().build(generator=generator)

        def initialise(model: nn.Module) -> None:
            import torch

            usual(model)
            factor = self.scale(int(model.config.num_hidden_layers))  # type: ignore[union-attr, arg-type]
            with torch.no_grad():
                for matrix in _moving(model):
                    matrix.mul_(factor)
                self._finish(model, factor)

        return initialise

    def _finish(self, model: nn.Module, factor: float) -> None:
        """What else is to be done."""


class TFixup(OfDepth):
    """Xavier (uniform), embeddings normal with d^−½; then values, outputs of branches, feed-forwards and embeddings
    times 0.67·N^(−¼), for N layers.

    With it a Transformer trains without norms and without warm-up: it is for models without norms. A decoder without
    an encoder has an encoder's two branches a layer, so the same factor.
    Source: Huang et al. 2020, "Improving Transformer Optimization Through Better Initialization".
    Example: `model: {family: transformer, normalisation: none, initialise: t_fixup}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "t_fixup")
    needs: ClassVar[tuple[str, str] | None] = (
        "no norms",
        "the family transformer with `normalisation: none`",
    )

    def scale(self, layers: int) -> float:
        return float(0.67 * layers**-0.25)

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        bound = (6 / sum(weight.shape)) ** 0.5
        weight.uniform_(-bound, bound, generator=generator)

    def _embedding(self, weight: Tensor, generator: Generator) -> None:
        weight.normal_(0, weight.shape[1] ** -0.5, generator=generator)

    def _finish(self, model: nn.Module, factor: float) -> None:
        from torch import nn

        for module in model.modules():
            if isinstance(module, nn.Embedding):
                module.weight.mul_(factor)


class DeepNorm(OfDepth):
    """x ← norm(α·x + f(x)) with α = (2N)^¼; Xavier (normal) with gain β = (8N)^(−¼) for values, outputs of branches and
    feed-forwards, 1 for queries and keys; N layers. Embeddings as BERT's.

    Post-norm models of hundreds of layers train with it. α is written into the model's configuration.
    Source: Wang et al. 2022, "DeepNet: Scaling Transformers to 1,000 Layers" (encoder-only and decoder-only).
    Example: `model: {family: transformer, layers: 24, initialise: deepnorm}`
    """

    registered_as: ClassVar[tuple[str, str]] = ("initialiser", "deepnorm")
    needs: ClassVar[tuple[str, str] | None] = (
        "scaled residuals",
        "the family transformer with `norm_place: post`",
    )

    def residual_scale(self, layers: int) -> float:
        """α"""
        return float((2 * layers) ** 0.25)

    def scale(self, layers: int) -> float:
        return float((8 * layers) ** -0.25)

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        weight.normal_(0, (2 / sum(weight.shape)) ** 0.5, generator=generator)


def _moving(model: nn.Module) -> Iterator[Tensor]:
    """Values, outputs of branches, feed-forwards of a Transformer of parts. Matrices that are kept in one are first put
    on the scale that each has by itself."""
    layers: list[Any] = [one for one in model.modules() if hasattr(getattr(one, "attention", None), "qkv")]
    for layer in layers:
        together, inner, output = layer.attention.qkv.weight, layer.inner.dense, layer.output.dense
        together.mul_(_apart(together, 3))
        yield together[2 * len(together) // 3 :]
        yield layer.attention.output.dense.weight
        inner.weight.mul_(_apart(inner.weight, inner.out_features // output.in_features))
        yield inner.weight
        yield output.weight


def _apart(weight: Tensor, parts: int) -> float:
    """From Xavier's scale of a matrix [outputs, inputs] to that of each of its parts."""
    outputs, inputs = weight.shape
    return float(((outputs + inputs) / (outputs / parts + inputs)) ** 0.5)
