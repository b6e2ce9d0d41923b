"""The configuration of sequence-to-sequence models: what is in a model's `config.json`."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

CELLS = ("lstm", "gru", "transformer")
ATTENTIONS = ("bahdanau", "luong")
SCORES = ("dot", "general", "concat")


class Seq2SeqConfig(PreTrainedConfig):
    """An encoder, a decoder that attends to it, and one table of embeddings for both and for the head."""

    model_type = "acclimate_seq2seq"

    vocab_size: int = 10_000
    cell: str = "transformer"
    """lstm, gru, transformer."""
    hidden_size: int = 512
    num_hidden_layers: int = 6
    """Of each, encoder and decoder."""
    bidirectional: bool = True
    """Of recurrent encoders: half of the hidden size in each direction."""
    attention: str = "bahdanau"
    """Of recurrent decoders: bahdanau, luong."""
    score: str = "general"
    """Of Luong's attention: dot, general, concat."""
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    pre_norm: bool = False
    """Of Transformers: whether norms stand before the branches, and one at the end of each stack."""
    dropout: float = 0.1
    attention_dropout: float = 0.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = True
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    decoder_start_token_id: int | None = None

    def __post_init__(self, **others: Any) -> None:
        super().__post_init__(**others)
        for name, known in (("cell", CELLS), ("attention", ATTENTIONS), ("score", SCORES)):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; choose among {', '.join(known)}")
        if self.cell == "transformer" and self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not divisible by {self.num_attention_heads} heads"
            )
        if self.cell != "transformer" and self.bidirectional and self.hidden_size % 2:
            raise ValueError(f"hidden_size {self.hidden_size} cannot be halved for two directions")
