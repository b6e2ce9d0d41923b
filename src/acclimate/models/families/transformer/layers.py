"""The layers of a Transformer made of parts.

Legend: N rows, L places of each (a packed row: N = 1, L tokens), H hidden size, A heads, D head size, F inner size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from acclimate.models.families.transformer.choices import FUNCTIONS, GATED
from acclimate.models.families.transformer.norms import norm_of, normalised
from acclimate.models.families.transformer.positions import turned
from acclimate.models.packing import Packing


@dataclass
class Surroundings:
    """What all layers are told of a batch besides its values."""

    mask: Tensor | None
    """[N or 1, 1, L or 1, L] bool, True where a query sees a key; None: everywhere, or a packing says it."""
    bias: Tensor | None
    """[1, A, L, L] added to scores; of a packed row [A, 2R+1] by distance."""
    turns: tuple[Tensor, Tensor] | None
    """Cosine and sine by which queries and keys are turned."""
    real: Tensor | None
    """[N, L] bool, where a token stands; None: everywhere."""
    packing: Packing | None


class Attention(nn.Module):
    """Attention of a sequence to itself, up to where heads are joined."""

    def __init__(self, config: Any, layer: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer
        self.heads, self.window = config.num_attention_heads, config.window
        self.size = config.hidden_size // config.num_attention_heads
        self.is_causal = config.direction != "both"
        self.p = config.attention_probs_dropout_prob
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.use_bias)
        self.output = output_of(config, config.hidden_size)

    def forward(self, x: Tensor, residual: Tensor, around: Surroundings) -> Tensor:
        """x, residual [N, L, H] → [N, L, H]"""
        query, key, value = (
            one.transpose(1, 2) for one in self.qkv(x).view(*x.shape[:2], 3, self.heads, self.size).unbind(2)
        )
        if around.turns is not None:
            query, key = turned(query, around.turns), turned(key, around.turns)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        heads, _ = attend(
            self,
            query,
            key,
            value,
            around.mask,
            dropout=self.p if self.training else 0.0,
            scaling=self.size**-0.5,
            position_bias=around.bias,
            sliding_window=self.window,
            packing=around.packing,
        )
        return self.output(heads.reshape(x.shape), residual, around.real)  # type: ignore[no-any-return]


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float,
    scaling: float,
    position_bias: Tensor | None,
    **others: Any,
) -> tuple[Tensor, Tensor]:
    """query, key, value [N, A, L, D] → [N, L, A, D], and the weights [N, A, L, L]; softmax in fp32."""
    scores = query @ key.transpose(2, 3) * scaling
    if position_bias is not None:
        scores = scores + position_bias
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
    return (nn.functional.dropout(weights, dropout) @ value).transpose(1, 2), weights


class PostNormOutput(nn.Module):
    """The end of a branch: a linear layer, dropout, the residual, which may be scaled, a norm."""

    def __init__(self, config: Any, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(size, config.hidden_size, bias=config.use_bias)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.norm = norm_of(config)
        self.scale = config.residual_scale

    def forward(self, x: Tensor, residual: Tensor, real: Tensor | None) -> Tensor:
        """x [N, L, F], residual [N, L, H] → [N, L, H]"""
        return normalised(self.norm, self.dropout(self.dense(x)) + self.scaled(residual), real)

    def scaled(self, residual: Tensor) -> Tensor:
        """The residual as it is added."""
        return residual if self.scale == 1.0 else residual * self.scale


class PreNormOutput(nn.Module):
    """The end of a branch whose norm stands at its start: a linear layer, dropout, the residual."""

    def __init__(self, config: Any, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(size, config.hidden_size, bias=config.use_bias)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, residual: Tensor, real: Tensor | None) -> Tensor:
        """x [N, L, F], residual [N, L, H] → [N, L, H]"""
        return residual + self.dropout(self.dense(x))  # type: ignore[no-any-return]


def output_of(config: Any, size: int) -> nn.Module:
    """The end of a branch that is `size` wide there."""
    return (PostNormOutput if config.norm_place == "post" else PreNormOutput)(config, size)


class Plain(nn.Module):
    """The inner half of a feed-forward: activation of a linear layer."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.use_bias)
        self.function = ACT2FN[FUNCTIONS[config.activation]]

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, H] → [N, L, F]"""
        return self.function(self.dense(x))  # type: ignore[no-any-return]


class Gated(nn.Module):
    """The inner half of a feed-forward: one linear layer's activation times another's output (Shazeer 2020)."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=config.use_bias)
        self.function = ACT2FN[FUNCTIONS[config.activation]]

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, H] → [N, L, F]"""
        opened, values = self.dense(x).chunk(2, -1)
        return self.function(opened) * values  # type: ignore[no-any-return]


class Layer(GradientCheckpointingLayer):
    """Attention and feed-forward, each with its residual and its norm before or after."""

    def __init__(self, config: Any, layer: int) -> None:
        super().__init__()
        pre = config.norm_place == "pre"
        self.attention_norm = norm_of(config) if pre else None
        self.attention = Attention(config, layer)
        self.norm = norm_of(config) if pre else None
        self.inner = (Gated if config.activation in GATED else Plain)(config)
        self.output = output_of(config, config.intermediate_size)

    def forward(self, x: Tensor, around: Surroundings) -> Tensor:
        """[N, L, H] → [N, L, H]"""
        before = x if self.attention_norm is None else normalised(self.attention_norm, x, around.real)
        x = self.attention(before, x, around)
        before = x if self.norm is None else normalised(self.norm, x, around.real)
        return self.output(self.inner(before), x, around.real)  # type: ignore[no-any-return]
