"""Transformer-XL as Transformers models: the body, and its heads.

Legend: B sequences, L their length, M places remembered, K = M + L, H hidden size, N heads, D head size, V vocabulary,
C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.utils import ModelOutput

from acclimate.models.causal_heads import CausalGenerationMixin, LastTokenClassifierMixin
from acclimate.models.families.transformer_xl.attention import RelativeAttention, sinusoids
from acclimate.models.families.transformer_xl.configuration import TransformerXLConfig


@dataclass
class TransformerXLOutput(ModelOutput):
    """What the body says."""

    last_hidden_state: Tensor | None = None
    """[B, L, H]"""
    memory: dict[str, Tensor] | None = None
    """`layers` [B, layers, M, H]: what came into each layer at the last places, without gradients. Where asked for."""


class DistanceBiases(nn.Module):
    """u and v: what every query adds, before it is compared with contents and with distances."""

    def __init__(self, heads: int, head_size: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.empty(heads, head_size))
        self.v = nn.Parameter(torch.empty(heads, head_size))


class TransformerXLLayer(nn.Module):
    """Attention, then a network of two projections; each adds to the stream."""

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__()
        assert config.head_size is not None
        size, heads, head_size = config.hidden_size, config.num_attention_heads, config.head_size
        self.pre_norm = config.pre_norm
        self.attention = RelativeAttention(size, heads, head_size, dropout=config.attention_dropout)
        self.attention_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.fc1 = nn.Linear(size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, size)
        self.network_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.activation = ACT2FN[config.activation]
        self.dropout = nn.Dropout(config.dropout)
        self.biases = None if config.shared_biases else DistanceBiases(heads, head_size)

    def forward(
        self, x: Tensor, remembered: Tensor | None, distances: Tensor, seen: Tensor, biases: DistanceBiases
    ) -> Tensor:
        """x [B, L, H], remembered [B, M, H] → [B, L, H]"""
        own = biases if self.biases is None else self.biases
        keys = x if remembered is None else torch.cat([remembered.to(x.dtype), x], dim=1)
        if self.pre_norm:
            keys = self.attention_norm(keys)
            read = keys[:, -x.shape[1] :]
            x = x + self.dropout(self.attention(read, keys, distances, seen, own.u, own.v))
            return x + self._network(self.network_norm(x))
        x = self.attention_norm(x + self.dropout(self.attention(x, keys, distances, seen, own.u, own.v)))
        return self.network_norm(x + self._network(x))  # type: ignore[no-any-return]

    def _network(self, x: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(self.activation(self.fc1(x)))))  # type: ignore[no-any-return]


class TransformerXLPreTrainedModel(PreTrainedModel):
    config_class = TransformerXLConfig
    base_model_prefix = "model"
    _input_embed_layer = "embed"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        spread = self.config.initializer_range
        if isinstance(module, DistanceBiases):
            nn.init.normal_(module.u, std=spread)
            nn.init.normal_(module.v, std=spread)
        elif isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=spread)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class TransformerXLModel(TransformerXLPreTrainedModel):
    """Embeddings times √H, then the layers. A place sees those before it, and what is remembered."""

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__(config)
        assert config.head_size is not None
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(TransformerXLLayer(config) for _ in range(config.num_hidden_layers))
        shared = config.shared_biases
        self.biases = DistanceBiases(config.num_attention_heads, config.head_size) if shared else None
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps) if config.pre_norm else None
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        memory: dict[str, Tensor] | None = None,
        remember: Literal["all"] | bool = False,
        **others: Any,
    ) -> TransformerXLOutput:
        """input_ids [B, L]; `memory` is what the call before returned, None at the start of a text; with `remember`
        the next one is returned, of the newest `memory_length` places or of all. attention_mask [B, L], or [B, M + L]
        with what is remembered: 0 hides a token from all others."""
        before = None if memory is None else memory["layers"]
        num_before = 0 if before is None else before.shape[2]
        length = input_ids.shape[1]
        places = torch.arange(num_before + length, device=input_ids.device)
        seen = places <= places[num_before:, None]
        if attention_mask is not None:
            missing = num_before + length - attention_mask.shape[1]
            real = torch.nn.functional.pad(attention_mask.bool(), (missing, 0), value=True)
            seen = seen & real[:, None, None, :]
        distances = self.dropout(sinusoids(places.flip(0), self.config.hidden_size))
        x = self.dropout(self.embed(input_ids) * self.config.hidden_size**0.5)
        inputs = []
        for number, layer in enumerate(self.layers):
            inputs.append(x)
            x = layer(x, None if before is None else before[:, number], distances, seen, self.biases)
        if self.norm is not None:
            x = self.norm(x)
        most = num_before + length if remember == "all" else self.config.memory_length
        kept = {"layers": self._remembered(before, inputs, most)} if remember else None
        return TransformerXLOutput(last_hidden_state=self.dropout(x), memory=kept)

    @torch.no_grad()
    def _remembered(self, before: Tensor | None, inputs: list[Tensor], most: int) -> Tensor:
        """[B, layers, M, H] the newest places, at most so many."""
        new = torch.stack([x.detach() for x in inputs], dim=1)
        if before is not None:
            new = torch.cat([before.to(new.dtype), new], dim=2)
        return new[:, :, max(0, new.shape[2] - most) :].contiguous()


class TransformerXLForCausalLM(CausalGenerationMixin, TransformerXLPreTrainedModel):
    """With a projection onto the vocabulary, and a bias."""

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__(config)
        self.model = TransformerXLModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()


class TransformerXLForSequenceClassification(LastTokenClassifierMixin, TransformerXLPreTrainedModel):
    """With a classifier of the output at a sequence's last token."""

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = TransformerXLModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


CONFIG = TransformerXLConfig
AUTO = {
    "AutoModel": TransformerXLModel,
    "AutoModelForCausalLM": TransformerXLForCausalLM,
    "AutoModelForSequenceClassification": TransformerXLForSequenceClassification,
}
