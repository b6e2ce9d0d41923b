"""The configuration of recurrent language models: what is in a model's `config.json`."""

from __future__ import annotations

from typing import Any, Literal

from transformers import PreTrainedConfig

Cell = Literal["rnn", "lstm", "gru"]
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
"""Cell → how many times as high as its state its matrices are."""


class RecurrentConfig(PreTrainedConfig):
    """Layers of one cell over a table of embeddings. All dropouts are shares; without them they do nothing."""

    model_type = "acclimate_recurrent"

    cell: str = "lstm"
    """rnn (tanh), lstm, gru."""
    vocab_size: int = 10_000
    embedding_size: int = 200
    hidden_size: int = 200
    num_hidden_layers: int = 2
    last_size: int | None = None
    """State of the last layer, where it differs from `hidden_size`."""
    two_biases: bool = False
    """Whether a layer has a bias for what comes in and another for its state, or one for their sum."""
    embedding_dropout: float = 0.0
    """Words that are nothing in a whole batch."""
    input_dropout: float = 0.0
    hidden_dropout: float = 0.0
    output_dropout: float = 0.0
    """Of what goes into the first layer, between layers, and out of the last one."""
    locked_dropout: bool = False
    """Whether these three hide the same units at every token of a sequence."""
    weight_dropout: float = 0.0
    """Of the matrices that read the state."""
    gate_dropout: float = 0.0
    gates: list[str] | None = None
    """Which of i, f, o, g it is of; g alone unless given."""
    classifier_dropout: float = 0.0
    tie_word_embeddings: bool = False
    pad_token_id: int | None = 0

    def __post_init__(self, **others: Any) -> None:
        super().__post_init__(**others)
        if self.cell not in GATES:
            raise ValueError(f"unknown cell {self.cell!r}; choose among {', '.join(GATES)}")
        if self.tie_word_embeddings and self.sizes[-1] != self.embedding_size:
            raise ValueError("a head tied to the embeddings needs a last layer of their size")

    @property
    def sizes(self) -> list[int]:
        """Of each layer's state."""
        return [self.hidden_size] * (self.num_hidden_layers - 1) + [self.last_size or self.hidden_size]
