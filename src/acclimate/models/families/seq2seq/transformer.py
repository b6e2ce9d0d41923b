"""Transformer encoder and decoder (Vaswani et al. 2017).

Legend: B rows, S places of the source, L tokens written, H hidden size, A heads, D head size. A packed row has B = 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from acclimate.models.decoder_state import DecoderState
from acclimate.models.families.seq2seq.configuration import Seq2SeqConfig
from acclimate.models.packing import Packing


def positions_of(places: Tensor, size: int) -> Tensor:
    """[…] → […, size]: sine and cosine in turn, of wavelengths from 2π to 10,000·2π."""
    steps = torch.arange(0, size, 2, device=places.device, dtype=torch.float32)
    angles = places.float()[..., None] / 10_000 ** (steps / size)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :size]


def plain_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **others: Any
) -> tuple[Tensor, None]:
    """[B, A, L, D] → [B, L, A, D] by products; `mask` is True where a query sees a key."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    weights = functional.dropout(weights, others.get("dropout", 0.0))
    return (weights @ value).transpose(1, 2), None


class Attention(nn.Module):
    """Of a text to itself, or to another."""

    def __init__(self, config: Seq2SeqConfig, *, causal: bool) -> None:
        super().__init__()
        size = config.hidden_size
        self.config, self.is_causal = config, causal
        self.heads, self.size = config.num_attention_heads, size // config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(size, size) for _ in range(4))

    def forward(
        self,
        x: Tensor,
        other: Tensor,
        mask: Tensor | None,
        packing: Packing | None,
        kept: tuple[dict[str, Tensor], str] | None = None,
    ) -> Tensor:
        """x [B, L, H], other [B, S, H], mask [B or 1, 1, L or 1, S] bool → [B, L, H].

        `kept`: where keys and values are kept, and under which name: those of a text that grows are added to, those of
        a source are made once.
        """
        query = self._split(self.q_proj(x))
        if kept is not None and not self.is_causal and f"{kept[1]}.k" in kept[0]:
            key, value = kept[0][f"{kept[1]}.k"], kept[0][f"{kept[1]}.v"]
        else:
            key, value = self._split(self.k_proj(other)), self._split(self.v_proj(other))
            if kept is not None:
                tensors, name = kept
                if f"{name}.k" in tensors:
                    key = torch.cat([tensors[f"{name}.k"], key], dim=2)
                    value = torch.cat([tensors[f"{name}.v"], value], dim=2)
                tensors[f"{name}.k"], tensors[f"{name}.v"] = key, value
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, plain_attention)
        told: dict[str, Any] = {} if packing is None else {"packing": packing}
        heads, _ = attend(
            self,
            query,
            key,
            value,
            mask,
            dropout=self.config.attention_dropout if self.training else 0.0,
            scaling=self.size**-0.5,
            is_causal=self.is_causal and packing is not None,
            **told,
        )
        return self.out_proj(heads.flatten(2))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, self.size).transpose(1, 2)


class Layer(nn.Module):
    """Attention to the own text, in a decoder attention to the source, then a network of two projections with ReLU."""

    def __init__(self, config: Seq2SeqConfig, *, decoder: bool) -> None:
        super().__init__()
        size = config.hidden_size
        self.pre_norm = config.pre_norm
        self.attention = Attention(config, causal=decoder)
        self.crossing = Attention(config, causal=False) if decoder else None
        self.fc1, self.fc2 = (
            nn.Linear(size, config.intermediate_size),
            nn.Linear(config.intermediate_size, size),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size, config.layer_norm_eps) for _ in range(2 + decoder))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        packing: Packing | None,
        source: tuple[Tensor, Tensor | None] | None = None,
        kept: tuple[dict[str, Tensor], int] | None = None,
    ) -> Tensor:
        """x [B, L, H] → the same shape; source: (values [B, S, H], mask of their places)."""

        def own(x: Tensor) -> Tensor:
            return self.attention(x, x, mask, packing, kept and (kept[0], f"{kept[1]}.own"))  # type: ignore[no-any-return]

        def crossed(x: Tensor) -> Tensor:
            assert source is not None and self.crossing is not None
            return self.crossing(x, source[0], source[1], packing, kept and (kept[0], f"{kept[1]}.source"))  # type: ignore[no-any-return]

        def network(x: Tensor) -> Tensor:
            return self.fc2(self.dropout(functional.relu(self.fc1(x))))  # type: ignore[no-any-return]

        branches = (own, network) if self.crossing is None else (own, crossed, network)
        for branch, norm in zip(branches, self.norms, strict=True):
            x = x + self.dropout(branch(norm(x))) if self.pre_norm else norm(x + self.dropout(branch(x)))
        return x


class Stack(nn.Module):
    """The layers of an encoder or of a decoder, over embeddings times √H and sinusoidal positions."""

    def __init__(self, config: Seq2SeqConfig, *, decoder: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, decoder=decoder) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps) if config.pre_norm else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        embedded: Tensor,
        places: Tensor,
        mask: Tensor | None,
        packing: Packing | None = None,
        source: tuple[Tensor, Tensor | None] | None = None,
        state: DecoderState | None = None,
    ) -> Tensor:
        """embedded [B, L, H], places [B or 1, L] of its tokens → [B, L, H]"""
        size = embedded.shape[-1]
        x = self.dropout(embedded * size**0.5 + positions_of(places, size).to(embedded.dtype))
        for number, layer in enumerate(self.layers):
            x = layer(x, mask, packing, source, None if state is None else (state.tensors, number))
        return x if self.norm is None else self.norm(x)


def causal_mask(length: int, before: int, real: Tensor | None, device: torch.device) -> Tensor:
    """[B or 1, 1, length, before + length] bool: what each of `length` tokens after `before` others sees."""
    places = torch.arange(before + length, device=device)
    mask = (places <= places[before:, None])[None, None]
    if real is None or bool(real.all()):
        return mask
    return mask & real[:, None, None, :].bool()
