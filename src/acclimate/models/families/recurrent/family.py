"""Recurrent language models: rnn, lstm, gru in the sizes of Zaremba et al. 2014, and two smaller ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from acclimate.errors import UserError
from acclimate.models.family import INITIALISER, Family, Vocabulary
from acclimate.models.kinds import Kind
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch
    from acclimate.models.onward import Memory, Onward

_MODELLING = "acclimate.models.families.recurrent.modelling"


def _size(width: int, dropout: float, layers: int = 2) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "embedding_size": width,
        "hidden_size": width,
        **dict.fromkeys(("input_dropout", "hidden_dropout", "output_dropout"), dropout),
        "vocab_size": 10_000,
    }


class Recurrent(Family):
    """What recurrent language models have in common. A token's output is the last layer's state after it."""

    model_types: ClassVar[tuple[str, ...]] = ("acclimate_recurrent",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(64, 0.0, layers=1),
        "mini": _size(128, 0.0),
        "small": _size(200, 0.0),
        "medium": _size(650, 0.5),
        "large": _size(1500, 0.65),
    }
    default_size: ClassVar[str] = "small"
    kinds: ClassVar[Mapping[Kind, str]] = {
        "encoder": f"{_MODELLING}:RecurrentModel",
        "clm": f"{_MODELLING}:RecurrentForCausalLM",
        "classification": f"{_MODELLING}:RecurrentForSequenceClassification",
    }
    causal: ClassVar[bool] = True
    packed: ClassVar[bool] = False
    position_input: ClassVar[str | None] = None
    token_inputs: ClassVar[Mapping[str, str]] = {}
    remembers: ClassVar[bool] = True
    lacks: ClassVar[tuple[str, ...]] = ("positions", "attention_dropout")

    dropout: Share | None = None  # type: ignore[assignment]
    """Share of the values zeroed in training on their way into, between and out of the layers, never from token to
    token; the size's own unless given: medium 50%, large 65%, the smaller ones 0%."""
    initialise: Annotated[Component, INITIALISER] = Field(default="uniform")  # type: ignore[assignment]
    """How random weights are drawn (Zaremba et al.: uniform in ±0.1 small, ±0.05 medium, ±0.04 large); a checkpoint's
    weights are kept."""

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        return super().of_vocabulary(vocabulary) | vocabulary.ends_of_config()

    def changes(self) -> dict[str, Any]:
        if self.dropout is None:
            return {}
        names = ("input_dropout", "hidden_dropout", "output_dropout", "classifier_dropout")
        return dict.fromkeys(names, self.dropout)

    def build(self, **given: Any) -> PreTrainedModel:
        model = super().build(**given)
        self.require_fitting(model.config.to_dict())
        return model

    def require_fitting(self, found: Mapping[str, Any]) -> None:
        super().require_fitting(found)
        cell = self.preset["cell"]
        if found.get("cell") != cell:
            raise UserError(
                f"{self.checkpoint} holds a recurrent model of the cell {found.get('cell')!r}, and the family "
                f"{self.registered_as[1]} has {cell!r}"
            )

    @classmethod
    def width(cls, config: Any) -> int:
        return int(config.last_size or config.hidden_size)

    @classmethod
    def onward(cls, model: PreTrainedModel, batch: PackedBatch, memory: Memory | None) -> Onward:
        from acclimate.models.onward import Onward

        streams = len(batch.cu_seqlens) - 1
        out = model.base_model(batch.tokens.view(streams, -1), memory=memory)
        hidden, undropped = (x.reshape(-1, x.shape[-1]) for x in (out.last_hidden_state, out.undropped))
        return Onward(hidden, {name: one.detach() for name, one in out.memory.items()}, undropped)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        return hidden.index_select(0, batch.cu_seqlens[1:] - 1)


class Rnn(Recurrent):
    """The simple recurrent network, h ← tanh(Wx + Uh + b).

    Source: Elman 1990; as a language model Mikolov et al. 2010. Sizes as those of `lstm`, to compare with it; one bias
    vector a layer.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "rnn")
    preset: ClassVar[Mapping[str, Any]] = {"cell": "rnn"}

    size: Literal["tiny", "mini", "small", "medium", "large"] | None = None
    """Layers/state: tiny 1/64, mini 2/128, small 2/200, medium 2/650, large 2/1500; embeddings as wide. Small when
    nothing is given."""


class Lstm(Recurrent):
    """Long short-term memory: s ← f⊙s + i⊙g, h ← o⊙tanh(s), gates i, f, o = σ and update g = tanh of Wx + Uh + b.

    Source: Zaremba et al. 2014, "Recurrent Neural Network Regularization", whose formula has one bias vector a layer,
    as here: 4,651,600, 19,775,200 and 66,022,000 parameters with 10,000 words. Their program, and torch, have two,
    which can do no more.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "lstm")
    preset: ClassVar[Mapping[str, Any]] = {"cell": "lstm"}

    size: Literal["tiny", "mini", "small", "medium", "large"] | None = None
    """Layers/state: tiny 1/64, mini 2/128, small 2/200, medium 2/650, large 2/1500; embeddings as wide. Small when
    nothing is given."""


class Gru(Recurrent):
    """Gated recurrent units: r, z = σ(Wx + Uh + b + c), n = tanh(Wx + b + r⊙(Uh + c)), h ← (1 − z)⊙n + z⊙h.

    Source: Cho et al. 2014, with the reset gate behind the matrix as in cuDNN and torch; so it has two bias vectors a
    layer. Sizes as those of `lstm`, to compare with it.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "gru")
    preset: ClassVar[Mapping[str, Any]] = {"cell": "gru", "two_biases": True}

    size: Literal["tiny", "mini", "small", "medium", "large"] | None = None
    """Layers/state: tiny 1/64, mini 2/128, small 2/200, medium 2/650, large 2/1500; embeddings as wide. Small when
    nothing is given."""
