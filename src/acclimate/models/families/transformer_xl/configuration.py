"""The configuration of Transformer-XL: what is in a model's `config.json`."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig


class TransformerXLConfig(PreTrainedConfig):
    """Layers of attention by content and distance, over the text and what is remembered of the text before it."""

    model_type = "acclimate_transformer_xl"

    vocab_size: int = 204
    hidden_size: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    head_size: int | None = None
    """`hidden_size / num_attention_heads` unless given."""
    intermediate_size: int = 2048
    activation: str = "relu"
    pre_norm: bool = False
    """Whether a norm stands before each branch, and one at the end, instead of one behind each branch."""
    shared_biases: bool = True
    """Whether all layers share u and v."""
    memory_length: int = 512
    """How many places before a stretch are remembered."""
    dropout: float = 0.1
    attention_dropout: float = 0.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True
    pad_token_id: int | None = None

    def __post_init__(self, **others: Any) -> None:
        super().__post_init__(**others)
        if self.head_size is None:
            if self.hidden_size % self.num_attention_heads:
                raise ValueError(
                    f"hidden_size {self.hidden_size} is not divisible by {self.num_attention_heads} heads"
                )
            self.head_size = self.hidden_size // self.num_attention_heads
