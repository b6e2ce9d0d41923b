"""The configuration of a Transformer made of parts."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from acclimate.models.families.transformer.choices import conflict


class TransformerConfig(PreTrainedConfig):
    """BERT's values where nothing is said. Raises ValueError for parts that do not go together."""

    model_type = "acclimate_transformer"

    vocab_size: int = 30522
    hidden_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    activation: str = "gelu"
    normalisation: str = "layer_norm"
    norm_place: str = "post"
    residual_scale: float = 1.0
    """What a residual is multiplied by before a branch is added and the sum normalised (DeepNorm's α)."""
    positions: str = "learnt"
    direction: str = "both"
    window: int | None = None
    block: int | None = None
    layer_groups: list[int] | None = None
    """For each layer the number of the weights that it uses; None: each has its own."""
    embedding_size: int | None = None
    """Width of the tables of words, positions and segments; None: the hidden size."""
    layerdrop: float = 0.0
    use_bias: bool = True
    """Whether linear layers add one; norms always do."""
    head_transform: bool = True
    """Whether a dense layer, the activation and a norm stand before the vocabulary, as in BERT."""
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    norm_eps: float = 1e-12
    rope_theta: float = 10000.0
    relative_buckets: int = 32
    relative_max_distance: int = 128
    classifier_dropout: float | None = None
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        found = conflict(vars(self))
        if found is not None:
            raise ValueError(f"{found[0]}: {found[1]}")

    @property
    def groups(self) -> list[int]:
        """For each layer the number of the weights that it uses."""
        return self.layer_groups or list(range(self.num_hidden_layers))
