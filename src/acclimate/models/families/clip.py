"""CLIP (Radford et al. 2021) in three of its published sizes, and one for small pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.family import Vocabulary
from acclimate.models.kinds import Kind
from acclimate.models.two_towers import TwoTowers
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


def _size(text: dict[str, int], vision: dict[str, int], shared: int) -> dict[str, Any]:
    return {"text": text, "vision": vision, "shared": shared}


class Clip(TwoTowers):
    """CLIP: a causal Transformer over the text, a ViT over the picture, a linear map from each into one space.

    Pre-norm, GELU as x·σ(1.702x), learnt positions; a text is what stands at its end token. Of an item with several
    views, which CLIP does not know of, the unit vectors are averaged. Source: Radford et al. 2021.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "clip")
    model_types: ClassVar[tuple[str, ...]] = ("clip",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(_tower(4, 128, 4), _tower(4, 128, 4, patch_size=8, image_size=32), 128),
        "b-32": _size(_tower(12, 512, 8), _tower(12, 768, 12, patch_size=32), 512),
        "b-16": _size(_tower(12, 512, 8), _tower(12, 768, 12, patch_size=16), 512),
        "l-14": _size(_tower(12, 768, 12), _tower(24, 1024, 16, patch_size=14), 768),
    }
    default_size: ClassVar[str] = "tiny"
    kinds: ClassVar[Mapping[Kind, str]] = {"dual": "CLIPModel"}
    causal: ClassVar[bool] = True
    token_inputs: ClassVar[Mapping[str, str]] = {}
    lacks: ClassVar[tuple[str, ...]] = ("dropout",)
    channel_mean: ClassVar[tuple[float, float, float]] = (0.48145466, 0.4578275, 0.40821073)
    channel_std: ClassVar[tuple[float, float, float]] = (0.26862954, 0.26130258, 0.27577711)

    size: Literal["tiny", "b-32", "b-16", "l-14"] | None = None
    """Text and picture, layers/hidden/heads each: tiny 4/128/4 and 4/128/4 (patches of 8), b-32 and b-16 12/512/8 and
    12/768/12, l-14 12/768/12 and 24/1024/16; the number is the patches' side. Tiny when nothing is given."""
    image_size: int | None = Field(default=None, ge=8)
    """Side of the pictures in pixels; 224 unless given, 32 for the size tiny."""
    positions: int = Field(default=77, ge=8)
    """Longest text that the model can take, in tokens; a checkpoint brings its own."""
    attention_dropout: Share = 0.0
    """Share of attention weights zeroed in training."""

    def configurations(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        size = self.sizes[self.size or self.default_size]
        dropped = {"attention_dropout": self.attention_dropout, "hidden_act": "quick_gelu"}
        text = {**size["text"], **dropped, "projection_dim": size["shared"]}
        vision = {**size["vision"], **dropped, "projection_dim": size["shared"]}
        if self.image_size is not None:
            vision["image_size"] = self.image_size
        return text, vision, {"projection_dim": size["shared"]}

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        named = zip(("bos_token_id", "eos_token_id"), vocabulary.ends, strict=True)
        return super().of_vocabulary(vocabulary) | {name: id for name, id in named if id is not None}

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        if not cls.packed:
            return super().encode(model, batch)
        from acclimate.models.packed_attention import packed_call
        from acclimate.models.packing import Packing

        # The text tower refuses rows longer than its position table, so its parts are called instead.
        tower, inputs = model.text_model, cls.inputs(batch)
        table = tower.embeddings
        tokens = table.token_embedding(inputs["input_ids"]) + table.position_embedding(inputs["position_ids"])
        with packed_call():
            out = tower.encoder(inputs_embeds=tokens[None], is_causal=True, packing=Packing(batch.cu_seqlens))
        return tower.final_layer_norm(out.last_hidden_state.squeeze(0))

    @classmethod
    def texts(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        last = cls.encode(model, batch).index_select(0, batch.cu_seqlens[1:] - 1)
        return model.text_projection(last)

    @classmethod
    def looked_at(cls, model: PreTrainedModel, pixels: Tensor) -> Tensor:
        return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)

    @classmethod
    def images(cls, model: PreTrainedModel, looks: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        from torch.nn.functional import normalize

        return (normalize(looks.float(), dim=-1) * real[..., None]).sum(1), looks
