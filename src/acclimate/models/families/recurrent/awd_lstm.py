"""AWD-LSTM: the lstm language model with the regularisers of Merity et al. 2018."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.models.families.recurrent.family import Recurrent
from acclimate.models.family import INITIALISER
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

Gate = Literal["i", "f", "o", "g"]


def _size(vocabulary: int, embedding: int = 400, state: int = 1150) -> dict[str, Any]:
    return {
        "num_hidden_layers": 3,
        "embedding_size": embedding,
        "hidden_size": state,
        "last_size": embedding,
        "vocab_size": vocabulary,
    }


class AwdLstm(Recurrent):
    """Three lstm layers, head tied to the embeddings, two bias vectors a layer (24,221,600 parameters with the Penn
    Treebank's 10,000 words), and dropout nearly everywhere.

    Source: Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models"; gate dropout: Semeniuta et al. 2016.
    Its other halves are the objective `clm_stream` with `lengths: random`, `activation: 2`, `change: 1`, and the
    optimizer `nt_asgd`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "awd-lstm")
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": _size(10_000, 100, 288),
        "ptb": _size(10_000),
        "wt2": _size(33_278),
    }
    default_size: ClassVar[str] = "ptb"
    preset: ClassVar[Mapping[str, Any]] = {
        "cell": "lstm",
        "two_biases": True,
        "locked_dropout": True,
        "tie_word_embeddings": True,
    }

    size: Literal["mini", "ptb", "wt2"] | None = None
    """Layers/embedding/state: ptb and wt2 3/400/1150, mini (ours, a quarter of that) 3/100/288, the last layer as the
    embedding; the published vocabulary has 10,000 words (ptb) or 33,278 (wt2). ptb when nothing is given."""
    dropout: Share = 0.4
    """Share of the last layer's units hidden for a whole sequence."""
    hidden_dropout: Share = 0.3
    """The same between layers."""
    input_dropout: Share = 0.65
    """The same of what goes into the first layer."""
    embedding_dropout: Share = 0.1
    """Share of the words that are nothing in a whole batch."""
    weight_dropout: Share = 0.5
    """Share of the weights from state to state that are 0 in a step."""
    gate_dropout: Share = 0.0
    """Share of gates' values hidden at each token; above 0 the layers run token by token, much slower."""
    gates: list[Gate] = Field(default=["g"], min_length=1)
    """Which gates that is of: i, o and the update g are hidden as 0, the forget gate f as 1."""

    initialise: Annotated[Component, INITIALISER] = Field(default={"uniform": {"recurrent": 1}})  # type: ignore[assignment]
    """How random weights are drawn: layers uniform in ±1/√H, embeddings in ±0.1; a checkpoint's weights are kept."""

    @model_validator(mode="after")
    def _gates_have_a_share(self) -> AwdLstm:
        if self.gates != ["g"] and not self.gate_dropout:
            raise ValueError("gates: has no effect without `gate_dropout`; set it, to 25% for example")
        return self

    def changes(self) -> dict[str, Any]:
        names = ("hidden_dropout", "input_dropout", "embedding_dropout", "weight_dropout", "gate_dropout")
        return {
            **{name: getattr(self, name) for name in names},
            "output_dropout": self.dropout,
            "classifier_dropout": self.dropout,
            "gates": list(dict.fromkeys(self.gates)),
        }
