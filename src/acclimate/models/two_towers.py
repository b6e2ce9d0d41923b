"""Families of two towers, one for texts and one for pictures, that put both into one space.

Legend: T tokens in the row, B sequences, V views of each item, N pictures, S side of a picture, H hidden size of a
tower, P size of the shared space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import model_validator

from acclimate.errors import UserError
from acclimate.models.family import Family, Vocabulary
from acclimate.recipe.settings import problem

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch

STEEPEST = math.log(100)
"""Largest θ: similarities are multiplied by exp(θ) ≤ 100 (Radford et al. 2021)."""


@dataclass(frozen=True)
class Towers:
    """What a batch's texts and pictures are in the shared space; all vectors have length 1."""

    texts: Tensor
    """[B, P]"""
    images: Tensor
    """[B, P] all views of an item in one."""
    views: Tensor
    """[B, V, P] each view alone; 0 where there is none."""
    real: Tensor
    """[B, V] whether there is such a view."""
    scale: Tensor
    """exp(θ), what similarities are multiplied by."""


class TwoTowers(Family):
    """What such families share. Tokens are those of the text tower, so `encode` gives its output."""

    channel_mean: ClassVar[tuple[float, float, float]] = (0.5, 0.5, 0.5)
    """Of red, green and blue between 0 and 1: pictures are given to the model less this mean …"""
    channel_std: ClassVar[tuple[float, float, float]] = (0.5, 0.5, 0.5)
    """… divided by this."""

    if TYPE_CHECKING:
        image_size: int | None

    @model_validator(mode="after")
    def _patches_fill_the_picture(self) -> TwoTowers:
        patch = self._picture()["patch_size"]
        if self.image_size is not None and self.image_size % patch:
            fewer = self.image_size // patch * patch
            near = f"{fewer} and {fewer + patch} are" if fewer >= 8 else f"{fewer + patch} is"
            words = (
                f"{self.image_size} pixels cannot be cut into patches of {patch}; {near} the nearest that can"
            )
            raise problem(words, at=("image_size",))
        return self

    def _picture(self) -> Mapping[str, Any]:
        return self.sizes[self.size or self.default_size]["vision"]  # type: ignore[no-any-return]

    def image_side(self) -> int | None:
        """Side of the pictures that the model takes; None where only a checkpoint knows."""
        if self.checkpoint is None:
            return self.image_size or self._picture().get("image_size", 224)
        from acclimate.models.folder import configuration

        folder = Path(self.checkpoint)
        vision = configuration(folder).get("vision_config") if folder.is_dir() else None
        side = vision.get("image_size", 224) if isinstance(vision, dict) else None
        return side if isinstance(side, int) else None

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        own = ("image_size", "dropout", "attention_dropout")
        return (*super().of_random_weights(), *(name for name in own if name not in cls.lacks))

    def changes(self) -> dict[str, Any]:
        return {}

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        text, vision, shared = self.configurations()
        if vocabulary is not None:
            text |= self.of_vocabulary(vocabulary) | self.positioned()
        return self.config_class()(text_config=text, vision_config=vision, **shared)

    def configurations(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Values of the configuration of the text tower, of the picture tower, of both."""
        raise NotImplementedError

    @classmethod
    def max_length(cls, config: Any) -> int | None:
        return int(config.text_config.max_position_embeddings)

    @classmethod
    def shape(cls, config: Any) -> dict[str, Any]:
        from acclimate.models.sizes import shape_of

        towers = {"text": config.text_config, "picture": config.vision_config}
        return {
            f"{name}_{key}": value for name, one in towers.items() for key, value in shape_of(one).items()
        }

    @classmethod
    def width(cls, config: Any) -> int:
        return int(config.text_config.hidden_size)

    @classmethod
    def flops(cls, model: PreTrainedModel, length: int) -> int:
        """Of a token in the text tower."""
        from acclimate.models.sizes import forward_flops

        return forward_flops(cls.text_tower(model), length)

    @classmethod
    def other_flops(cls, model: PreTrainedModel) -> dict[str, int]:
        from acclimate.models.sizes import forward_flops

        tower = model.vision_model
        places = (_side(tower.config.image_size) // _side(tower.config.patch_size)) ** 2 + 1
        return {"picture": places * forward_flops(tower, places)}

    @classmethod
    def text_tower(cls, model: PreTrainedModel) -> Any:
        return model.text_model

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        from acclimate.models.rows import packed_output, padded_output

        run = packed_output if cls.packed else padded_output
        return run(cls.text_tower(model), cls.inputs(batch), batch.cu_seqlens)

    @classmethod
    def texts(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        """[B, P] of any length."""
        raise NotImplementedError

    @classmethod
    def looked_at(cls, model: PreTrainedModel, pixels: Tensor) -> Tensor:
        """[N, 3, S, S] → [N, H]: the picture tower's one vector for a picture."""
        raise NotImplementedError

    @classmethod
    def images(cls, model: PreTrainedModel, looks: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """([B, P] all views in one, [B, V, P] each alone), of any length, from looks [B, V, H] and real [B, V]."""
        raise NotImplementedError

    @classmethod
    def matches(cls, model: PreTrainedModel, texts: Tensor, images: Tensor) -> Tensor:
        """[N, P] and [N, P] → [N] logit of belonging together; of models of the kind `matching`."""
        raise NotImplementedError(f"{cls.registered_as[1]} has no head that judges pairs")

    @classmethod
    def towers(cls, model: PreTrainedModel, batch: PackedBatch) -> Towers:
        """Of a batch with `images` [B, V, 3, S, S] in bytes and `views` [B, V], whether there is such a view."""
        import torch
        from torch.nn.functional import normalize

        pictures, real = batch.by_sequence["images"], batch.by_sequence["views"]
        wanted = _side(model.config.vision_config.image_size)
        if pictures.shape[-1] != wanted:
            raise UserError(
                f"the pictures are {pictures.shape[-1]} pixels wide and the model takes {wanted}: say the same in the "
                "objective's `image_size` and the model's"
            )
        seen = cls.looked_at(model, cls._pixels(pictures[real]))
        looks = seen.new_zeros(*real.shape, seen.shape[-1])
        looks = looks.index_put((real,), seen)
        images, views = cls.images(model, looks, real)
        with torch.no_grad():
            model.logit_scale.clamp_(max=STEEPEST)
        return Towers(
            texts=normalize(cls.texts(model, batch).float(), dim=-1),
            images=normalize(images.float(), dim=-1),
            views=normalize(views.float(), dim=-1) * real[..., None],
            real=real,
            scale=model.logit_scale.float().exp(),
        )

    @classmethod
    def _pixels(cls, pictures: Tensor) -> Tensor:
        import torch

        mean, std = (
            torch.tensor(one, device=pictures.device).view(3, 1, 1)
            for one in (cls.channel_mean, cls.channel_std)
        )
        return (pictures.float() / 255 - mean) / std


def _side(size: Any) -> int:
    return int(size if isinstance(size, int) else size[0])
