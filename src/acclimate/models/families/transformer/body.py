"""The body of a Transformer made of parts.

Legend: N rows, L places of each, H hidden size, E embedding size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.output_capturing import capture_outputs

from acclimate.models.attention_masks import spread_by_distance, visible
from acclimate.models.families.transformer.configuration import TransformerConfig
from acclimate.models.families.transformer.layers import Layer, Surroundings
from acclimate.models.families.transformer.norms import norm_of, normalised
from acclimate.models.families.transformer.positions import POSITIONS, Sinusoidal
from acclimate.models.packing import Packing


class TransformerPreTrained(PreTrainedModel):
    """What all heads share."""

    config: TransformerConfig
    config_class = TransformerConfig
    base_model_prefix = "model"
    _input_embed_layer = "word_embeddings"
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = ["Layer", "Embeddings"]
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_record_outputs: ClassVar[dict[str, Any]] = {"hidden_states": Layer}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Sinusoidal):
            init.constant_(module.factor, module.size**-0.5)


class Embeddings(nn.Module):
    """Words, positions and segments summed, normalised, dropped out, and widened where the model is wider."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        size = config.embedding_size or config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, size, padding_idx=config.pad_token_id)
        self.positions = POSITIONS[config.positions](config)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, size)
        self.norm = norm_of(config, size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.widen = None if size == config.hidden_size else nn.Linear(size, config.hidden_size)

    def forward(self, words: Tensor, segments: Tensor, places: Tensor, real: Tensor | None) -> Tensor:
        """words [N, L, E]; segments, places, real [N, L] → [N, L, H]"""
        x = words + self.token_type_embeddings(segments)
        added = self.positions.added(places)
        x = self.dropout(normalised(self.norm, x if added is None else x + added, real))
        return x if self.widen is None else self.widen(x)  # type: ignore[no-any-return]


class TransformerModel(TransformerPreTrained):
    """The body."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config, number) for number in range(max(config.groups) + 1))
        self.final_norm = norm_of(config) if config.norm_place == "pre" else None
        self.gradient_checkpointing = False
        self.post_init()

    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        packing: Packing | None = None,
        **others: Any,
    ) -> BaseModelOutput:
        """input_ids, attention_mask (1 where a token stands), token_type_ids, position_ids [N, L]; or a packed row
        [1, T] with its packing. In the direction `prefix`, a sequence's prefix are its tokens of segment 0."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        words = self.embeddings.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        shape = words.shape[:2]
        if token_type_ids is None:
            if self.config.direction == "prefix":
                raise ValueError("direction prefix: token_type_ids must say which tokens are the prefix (0)")
            token_type_ids = torch.zeros(shape, dtype=torch.long, device=words.device)
        if position_ids is None:
            position_ids = torch.arange(shape[1], device=words.device).expand(shape)
        real = None if attention_mask is None else attention_mask.bool()
        around = self._surroundings(token_type_ids, position_ids, real, packing)
        x = self.embeddings(words, token_type_ids, position_ids, around.real)
        for number in self._kept():
            x = self.layers[number](x, around)
        if self.final_norm is not None:
            x = normalised(self.final_norm, x, around.real)
        return BaseModelOutput(last_hidden_state=x)

    def _kept(self) -> list[int]:
        """Which weights each layer uses; in training each layer is left out with the probability of LayerDrop."""
        groups, p = self.config.groups, self.config.layerdrop
        if not self.training or p == 0:
            return groups
        return [
            group for group, drawn in zip(groups, torch.rand(len(groups)).tolist(), strict=True) if drawn >= p
        ]

    def _surroundings(
        self, segments: Tensor, positions: Tensor, real: Tensor | None, packing: Packing | None
    ) -> Surroundings:
        config, part, device = self.config, self.embeddings.positions, segments.device
        turns = part.turns(positions)
        if packing is not None:
            if config.direction == "prefix":
                sums = functional.pad((segments[0] == 0).cumsum(0), (1, 0))
                packing = Packing(packing.cu_seqlens, sums[packing.cu_seqlens].diff())
            elif config.block:
                packing = packing.cut(config.block)
            return Surroundings(None, part.by_distance(packing.longest - 1, device), turns, None, packing)
        length = segments.shape[1]
        prefixes = None
        if config.direction == "prefix":
            first = segments == 0
            prefixes = (first if real is None else first & real).sum(1)
        if real is not None and bool(real.all()):
            real = None
        mask = visible(
            length,
            real=real,
            causal=config.direction != "both",
            window=config.window or 0,
            block=config.block or 0,
            prefixes=prefixes,
            device=device,
        )
        table = part.by_distance(length - 1, device)
        bias = None if table is None else spread_by_distance(table, length)
        return Surroundings(mask, bias, turns, real, None)
