"""CoConViT: texts beside several views of one thing. A family of ours, for which there is no publication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.family import INITIALISER
from acclimate.models.kinds import Kind
from acclimate.models.two_towers import TwoTowers
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch


def _tower(layers: int, hidden: int, heads: int, **others: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        **others,
    }


class CoConViT(TwoTowers):
    """CoConViT: a ViT over each view of a thing, a BERT over the text, a perceptron of three layers behind each.

    Of the views' vectors h_v (the ViT's first token) one is made by attention: z = Σ softmax_v(q·tanh(W h_v)) h_v, so
    that their order does not matter and any number will do. A text is its first token. To be trained by `itm`, whose
    head judges a pair by [t∘z; |t−z|], or by `itc` without one.

    Source: this project; no publication was found. ViT: Dosovitskiy et al. 2021.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "coconvit")
    model_types: ClassVar[tuple[str, ...]] = ("acclimate_coconvit",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {
            "text": _tower(4, 128, 4, max_position_embeddings=320),
            "vision": _tower(4, 128, 4, patch_size=8, image_size=32),
            "shared": 128,
        },
        "base": {
            "text": _tower(12, 768, 12, max_position_embeddings=320),
            "vision": _tower(12, 768, 12, patch_size=16, image_size=224),
            "shared": 384,
        },
    }
    default_size: ClassVar[str] = "tiny"
    kinds: ClassVar[Mapping[Kind, str]] = {
        "dual": "acclimate.models.families.coconvit.modelling:CoConViTModel",
        "matching": "acclimate.models.families.coconvit.modelling:CoConViTForMatching",
    }

    size: Literal["tiny", "base"] | None = None
    """Layers/hidden/heads of both towers: tiny 4/128/4 with patches of 8, base 12/768/12 with patches of 16. Tiny when
    nothing is given."""
    image_size: int | None = Field(default=None, ge=8)
    """Side of the pictures in pixels; 224 unless given, 32 for the size tiny."""
    positions: int = Field(default=320, ge=8)
    """Longest text that the model can take, in tokens; a checkpoint brings its own."""
    dropout: Share = 0.0
    """Share of hidden values zeroed in training, in both towers."""
    attention_dropout: Share = 0.0
    """Share of attention weights zeroed in training, in both towers."""
    initialise: Annotated[Component, INITIALISER] = Field(default="xavier")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept. With BERT's 0.02 a narrow text tower gives all
    texts nearly one vector, and `itc` and `itm` stay at chance for long."""

    def configurations(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        size = self.sizes[self.size or self.default_size]
        dropped = {
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": self.attention_dropout,
        }
        vision = {**size["vision"], **dropped}
        if self.image_size is not None:
            vision["image_size"] = self.image_size
        return {**size["text"], **dropped}, vision, {"projection_dim": size["shared"]}

    @classmethod
    def texts(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        first = cls.encode(model, batch).index_select(0, batch.cu_seqlens[:-1])
        return model.text_projection(first)

    @classmethod
    def looked_at(cls, model: PreTrainedModel, pixels: Tensor) -> Tensor:
        return model.look(pixels)

    @classmethod
    def images(cls, model: PreTrainedModel, looks: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        pooled = model.view_pooling(looks, real)
        return model.vision_projection(pooled), model.vision_projection(looks)

    @classmethod
    def matches(cls, model: PreTrainedModel, texts: Tensor, images: Tensor) -> Tensor:
        return model.matching(texts, images)
