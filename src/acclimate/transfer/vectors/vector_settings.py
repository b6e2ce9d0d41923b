"""How a task makes one vector of a text: settings that its bi-encoders share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from acclimate.recipe.settings import Settings

if TYPE_CHECKING:
    from acclimate.objectives.sentence_vectors import LastLayers


class Vector(Settings):
    """What a text's vector is made of."""

    pooling: Literal["mean", "cls", "max"] = "mean"
    """The `mean` of its tokens' vectors, special tokens among them, that of its first token (`cls`), or the largest
    value of each dimension (`max`). Reimers and Gurevych 2019 found `mean` best."""
    layers: int = Field(default=1, ge=1)
    """How many of the last layers go into a token's vector."""
    join: Literal["concat", "mean"] = "concat"
    """With more than one layer: whether they stand side by side (Devlin et al. 2019: the best features of BERT that is
    not tuned are its last four layers so), or their mean is taken."""

    @model_validator(mode="after")
    def _no_idle_setting(self) -> Vector:
        if self.layers == 1 and self.join != "concat":
            raise ValueError("`join` goes with more than one of `layers`")
        return self

    def build(self) -> LastLayers:
        from acclimate.objectives.sentence_vectors import LastLayers

        return LastLayers(self.pooling, self.layers, self.join)
