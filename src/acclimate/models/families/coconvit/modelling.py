"""CoConViT as an ordinary model of Transformers.

Legend: B items, V views of each, N pictures, S side of a picture, H hidden size, P size of the shared space.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedConfig, PreTrainedModel, ViTConfig, ViTModel
from transformers import initialization as init
from transformers.utils import ModelOutput


class CoConViTConfig(PreTrainedConfig):
    """The configurations of both towers, and the size of the space that they share."""

    model_type = "acclimate_coconvit"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"text_config": BertConfig, "vision_config": ViTConfig}

    text_config: dict[str, Any] | BertConfig | None = None
    vision_config: dict[str, Any] | ViTConfig | None = None
    projection_dim: int = 384
    logit_scale_init_value: float = math.log(1 / 0.07)
    initializer_range: float = 0.02


class ViewPooling(nn.Module):
    """z = Σ softmax_v(q·tanh(W h_v)) h_v (additive attention with one learnt query)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.query = nn.Parameter(torch.empty(hidden))

    def forward(self, looks: Tensor, real: Tensor | None = None) -> Tensor:
        """looks [B, V, H], real [B, V] whether there is such a view → [B, H]."""
        scores = torch.tanh(self.key(looks)) @ self.query
        if real is not None:
            scores = scores.masked_fill(~real, torch.finfo(scores.dtype).min)
        return (torch.softmax(scores.float(), -1).to(looks.dtype)[..., None] * looks).sum(1)


class MatchingHead(nn.Module):
    """[t∘z; |t−z|] → the logit that a text and an image, as unit vectors, belong together."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(2 * size, size)
        self.out = nn.Linear(size, 1)

    def forward(self, texts: Tensor, images: Tensor) -> Tensor:
        both = torch.cat([texts * images, (texts - images).abs()], -1)
        return self.out(torch.relu(self.dense(both))).squeeze(-1)


class CoConViTPreTrainedModel(PreTrainedModel):
    """How weights are drawn, and what Transformers must know of these models."""

    config_class = CoConViTConfig
    base_model_prefix = "coconvit"
    main_input_name = "input_ids"
    _supports_sdpa = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ViewPooling):
            init.normal_(module.query, std=self.config.initializer_range)
        elif isinstance(module, CoConViTModel):
            init.constant_(module.logit_scale, self.config.logit_scale_init_value)


class CoConViTModel(CoConViTPreTrainedModel):
    """Both towers, the pooling of views, and the ways into the shared space."""

    def __init__(self, config: CoConViTConfig) -> None:
        super().__init__(config)
        text: Any = config.text_config
        vision: Any = config.vision_config
        self.text_model = BertModel._from_config(text, add_pooling_layer=False)
        self.vision_model = ViTModel._from_config(vision, add_pooling_layer=False)
        self.view_pooling = ViewPooling(vision.hidden_size)
        self.text_projection = _perceptron(text.hidden_size, config.projection_dim)
        self.vision_projection = _perceptron(vision.hidden_size, config.projection_dim)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))
        self.post_init()

    def look(self, pixel_values: Tensor) -> Tensor:
        """[N, 3, S, S] → [N, H]"""
        return self.vision_model(pixel_values=pixel_values).last_hidden_state[:, 0]

    def get_text_features(self, input_ids: Tensor, **others: Any) -> Tensor:
        """[B, length] → [B, P]"""
        return self.text_projection(self.text_model(input_ids=input_ids, **others).last_hidden_state[:, 0])

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        """Pictures [B, 3, S, S], or views [B, V, 3, S, S] → [B, P]"""
        views = pixel_values if pixel_values.ndim == 5 else pixel_values[:, None]
        looks = self.look(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return self.vision_projection(self.view_pooling(looks))

    def forward(self, input_ids: Tensor, pixel_values: Tensor, **others: Any) -> ModelOutput:
        """Text [B, length] and pictures as `get_image_features` takes them → similarities [B, B], scaled, and both
        vectors. `others` go to the text tower."""
        texts = nn.functional.normalize(self.get_text_features(input_ids, **others), dim=-1)
        images = nn.functional.normalize(self.get_image_features(pixel_values), dim=-1)
        logits = self.logit_scale.exp() * texts @ images.T
        return ModelOutput(logits_per_text=logits, text_embeds=texts, image_embeds=images)


class CoConViTForMatching(CoConViTModel):
    """With a head that judges whether a text and an image belong together."""

    def __init__(self, config: CoConViTConfig) -> None:
        super().__init__(config)
        self.matching = MatchingHead(config.projection_dim)
        self.post_init()


def _perceptron(hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, out)
    )


CONFIG = CoConViTConfig
AUTO = {"AutoModel": CoConViTModel}
