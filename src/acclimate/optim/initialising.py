"""What initialisers have in common: a walk through the model, each weight drawn once from one generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from acclimate.optim.parameter_names import inputs_first, stream, writes_to_stream
from acclimate.recipe.settings import Component

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

_ROWS = frozenset(
    (
        *("mask_emb", "seg_embed", "class_embedding", "cls_token", "mask_token", "position_embeddings"),
        *("query", "u", "v", "r_w_bias", "r_r_bias", "r_s_bias"),  # questions asked at every place
    )
)
"""Weights by themselves that are rows of a table."""


class Initialiser(Component):
    """Draws every weight anew; biases 0, gains of norms 1, the row of padding 0. A subclass draws matrices.

    A filter is a matrix of what it sees at once, a recurrent matrix is one for each gate. What is no matrix keeps the
    start that its family gives: a temperature, a factor; and so do gates that begin open.
    """

    needs: ClassVar[tuple[str, str] | None] = None
    """What a family must offer (`Family.offers`), and where it is found, in words; None: nothing."""

    def build(self, *, generator: Generator) -> Callable[[nn.Module], None]:
        """A function that initialises a whole model in place from the generator."""

        def initialise(model: nn.Module) -> None:
            import torch

            branches = branches_of(model)
            drawn: set[int] = set()  # a tied weight is drawn once, for the module that comes first
            with torch.no_grad():
                for name, module in model.named_modules():
                    for own, weight in module.named_parameters(recurse=False):
                        if id(weight) not in drawn:
                            drawn.add(id(weight))
                            self._initialise(name, module, own, weight, branches, generator)
                for module in model.modules():
                    if hasattr(module, "begin_open"):
                        module.begin_open()

        return initialise

    def _initialise(
        self,
        name: str,
        module: nn.Module,
        own: str,
        weight: Tensor,
        branches: Mapping[str, int],
        generator: Generator,
    ) -> None:
        """Fill the weight that the module of this name calls `own`."""
        from torch import nn

        if own in _ROWS:
            self._embedding(weight.view(-1, weight.shape[-1]), generator)
        elif is_bias(own):
            weight.zero_()
        elif is_gain(own, weight):
            weight.fill_(1.0)
        elif isinstance(module, nn.Embedding):
            self._embedding(weight, generator)
            if module.padding_idx is not None:
                weight[module.padding_idx].zero_()
        elif weight.ndim > 1:
            place = name if own == "weight" else f"{name}.{own}"
            writes = branches[stream(place)] if writes_to_stream(place) else 0
            for matrix in _matrices(place, module, own, weight):
                self._matrix(matrix, writes, generator)

    def _matrix(self, weight: Tensor, branches: int, generator: Generator) -> None:
        """Fill [outputs, inputs]. `branches`: how many are added to the stream that this ends a branch of; else 0."""
        raise NotImplementedError

    def _embedding(self, weight: Tensor, generator: Generator) -> None:
        """Fill a table; by default as BERT's authors, normal with 0.02, cut at two standard deviations."""
        from torch import nn

        nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04, generator=generator)


def is_bias(own: str) -> bool:
    """Whether a module's parameter of this name is added to something."""
    return own.startswith("bias") or own.endswith("bias")


def is_gain(own: str, weight: Tensor) -> bool:
    """Whether it multiplies the values of a norm."""
    return own == "weight" and weight.ndim == 1


def is_left(own: str, weight: Tensor) -> bool:
    """Whether it keeps the start that its family gives: neither matrix nor table, neither bias nor gain."""
    return weight.ndim < 2 and own not in _ROWS and not is_bias(own) and not is_gain(own, weight)


def branches_of(model: nn.Module) -> dict[str, int]:
    """Stream → how many branches are added to it from bottom to top; a block that stands in for several counts as
    often as it is run."""
    ends: dict[str, int] = {}
    blocks: dict[str, set[str]] = {}
    for name, weight in model.named_parameters():
        place = name.removesuffix(".weight")
        if weight.ndim > 1 and writes_to_stream(place):
            where = stream(place)
            ends[where] = ends.get(where, 0) + 1
            blocks.setdefault(where, set()).add(place[len(where) :].lstrip(".").split(".")[1])
    config = getattr(model, "config", None)
    if not (getattr(config, "layer_groups", None) or getattr(config, "num_hidden_groups", None)):
        return ends
    layers = int(config.num_hidden_layers)  # type: ignore[union-attr]
    return {where: number * layers // len(blocks[where]) for where, number in ends.items()}


def _matrices(place: str, module: nn.Module, own: str, weight: Tensor) -> Iterator[Tensor]:
    """The weight as matrices [outputs, inputs], by views."""
    if own.startswith(("weight_ih", "weight_hh")):
        which = own[len("weight_ih") :]  # of torch's layers, which number theirs
        projection = getattr(module, f"weight_hr{which}", None)
        state = getattr(module, f"weight_hh{which}") if projection is None else projection
        yield from weight.split(state.shape[1])
    else:
        yield weight.flatten(1).T if inputs_first(place) else weight.flatten(1)
