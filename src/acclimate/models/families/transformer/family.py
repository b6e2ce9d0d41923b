"""A Transformer made of parts (Vaswani et al. 2017): an encoder or a decoder whose parts a recipe chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.models.families.transformer.choices import (
    GATED,
    Activation,
    Direction,
    Normalisation,
    Place,
    Positions,
    conflict,
)
from acclimate.models.family import Family, Vocabulary
from acclimate.models.kinds import Kind
from acclimate.recipe.settings import problem
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch

_MODELS = "acclimate.models.families.transformer.modelling:Transformer"
_KEYS = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "activation": "activation",
    "normalisation": "normalisation",
    "norm_place": "norm_place",
    "position_encoding": "positions",
    "bias": "use_bias",
}
"""Setting that a size may decide → key of the configuration."""


def _size(layers: int, hidden: int, heads: int, vocabulary: int = 30522) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "vocab_size": vocabulary,
    }


class Transformer(Family):
    """A Transformer whose parts are chosen one by one; with none chosen it is BERT.

    Source: Vaswani et al. 2017, "Attention Is All You Need"; of each part its own. An encoder (`direction: both`) or a
    decoder. Choices that do not go together are refused.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "transformer")
    model_types: ClassVar[tuple[str, ...]] = ("acclimate_transformer",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _size(2, 128, 2),
        "mini": _size(4, 256, 4),
        "small": _size(4, 512, 8),
        "base": _size(12, 768, 12),
        "cramming": {
            **_size(16, 768, 12, 32768),
            "intermediate_size": 1536,
            "activation": "geglu",
            "norm_place": "pre",
            "positions": "sinusoidal",
            "use_bias": False,
            "head_transform": False,
        },
    }
    default_size: ClassVar[str] = "mini"
    layer_lists: ClassVar[Mapping[str, str]] = {"layers": "num_hidden_layers"}
    preset: ClassVar[Mapping[str, Any]] = {
        "activation": "gelu",
        "normalisation": "layer_norm",
        "norm_place": "post",
        "positions": "learnt",
    }
    kinds: ClassVar[Mapping[Kind, str]] = {
        "encoder": f"{_MODELS}Model",
        "mlm": f"{_MODELS}ForMaskedLM",
        "clm": f"{_MODELS}ForCausalLM",
        "prefix": f"{_MODELS}ForCausalLM",
        "pretraining": f"{_MODELS}ForPreTraining",
        "classification": f"{_MODELS}ForSequenceClassification",
        "tokens": f"{_MODELS}ForTokenClassification",
        "spans": f"{_MODELS}ForQuestionAnswering",
    }

    size: Literal["tiny", "mini", "small", "base", "cramming"] | None = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, small 4/512/8, base 12/768/12, each with BERT's parts; cramming
    16/768/12 with geglu, pre-norm, sinusoidal positions and no biases (Geiping & Goldstein 2022: trained in a day, with
    dropout 0). Mini when nothing is given."""
    layers: int | None = Field(default=None, ge=1)
    """Number of layers; the size's own unless given."""
    hidden: int | None = Field(default=None, ge=1)
    """Width of the model; the size's own unless given. The heads must divide it."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads; the size's own unless given."""
    inner: int | None = Field(default=None, ge=1)
    """Width inside the feed-forward parts; 4 times the hidden size unless given, and two thirds of that where the
    activation is gated, which makes as many weights (Shazeer 2020)."""
    direction: Direction = "both"
    """Which tokens a token sees: both (all of its sequence: an encoder), left_to_right (itself and those before: a
    decoder), prefix (those of the first text, and of the second those before; Dong et al. 2019, Raffel et al. 2020)."""
    activation: Activation | None = None
    """relu, gelu (by the error function), gelu_tanh (its approximation), silu, which is swish too; geglu and swiglu
    multiply it by a second projection (Shazeer 2020). The size's own unless given: gelu."""
    normalisation: Normalisation | None = None
    """layer_norm (Ba et al. 2016), rms_norm (Zhang & Sennrich 2019: no mean, no bias), batch_norm over the real tokens
    of a batch (for `direction: both` only), or none, which asks for `initialise: t_fixup` (Huang et al. 2020). The
    size's own unless given: layer_norm."""
    norm_place: Place | None = None
    """Whether norms stand after each residual sum (post) or at the start of each branch and once at the end (pre; Xiong
    et al. 2020: trains without warm-up). The size's own unless given: post."""
    position_encoding: Positions | None = None
    """learnt vectors, sinusoidal ones, a bias for buckets of relative distances (T5), rope (turned queries and keys) or
    alibi (scores fall with the distance). The size's own unless given: learnt."""
    window: int | None = Field(default=None, ge=1)
    """Local attention: tokens see those less than so many places away, themselves included; all unless given."""
    block: int | None = Field(default=None, ge=1)
    """Block-diagonal attention: sequences are cut into blocks of so many tokens, which do not see each other; one block
    unless given."""
    share: int = Field(default=1, ge=1)
    """How many neighbouring layers share their weights (Lan et al. 2020: all of them)."""
    projection: int | None = Field(default=None, ge=1)
    """Width of the embeddings, widened by a projection to the hidden size (Lan et al. 2020); the hidden size, and no
    projection, unless given."""
    bias: bool | None = None
    """Whether linear layers add a bias. The size's own unless given: yes."""
    layerdrop: Share = 0.0
    """Share of layers left out at each step of training, each as a whole and without rescaling (Fan et al. 2020: 0.2);
    such a model can be pruned: `acclimate prune`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Transformer:
        found = None if self.checkpoint else conflict({**self._values(), "share": self.share})
        if found is not None:
            place = found[0] if found[0] in type(self).model_fields else "size"
            raise problem(f"{found[0]}: {found[1]}", at=(place,))
        return self

    @property
    def offers(self) -> tuple[str, ...]:
        values = self._values()
        if values["normalisation"] == "none":
            return ("no norms",)
        return ("scaled residuals",) if values["norm_place"] == "post" else ()

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        inherited = set(Family.model_fields) | {"layerdrop"}
        return (*super().of_random_weights(), *(name for name in cls.model_fields if name not in inherited))

    def _values(self) -> dict[str, Any]:
        """Values of the configuration that the size and the parts decide."""
        size = self.size or self.default_size
        values = {**self.preset, **self.sizes[size]}
        for setting, key in _KEYS.items():
            if getattr(self, setting) is not None:
                values[key] = getattr(self, setting)
        layers, hidden = values["num_hidden_layers"], values["hidden_size"]
        if self.inner is not None or "intermediate_size" not in values or self.hidden or self.activation:
            gated = values["activation"] in GATED
            values["intermediate_size"] = self.inner or (-(-hidden * 8 // 24) * 8 if gated else 4 * hidden)
        return values | {
            "direction": self.direction,
            "window": self.window,
            "block": self.block,
            "residual_scale": getattr(self.initialise, "residual_scale", lambda layers: 1.0)(layers),
            "layer_groups": [number // self.share for number in range(layers)] if self.share > 1 else None,
            "embedding_size": self.projection,
        }

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        values = self._values() | self.changes()
        if vocabulary is not None:
            values |= self.of_vocabulary(vocabulary) | self.positioned()
        return self.config_class()(**values)

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        ends = {} if self.direction == "both" else vocabulary.ends_of_config()
        return super().of_vocabulary(vocabulary) | ends

    def depth(self) -> int:
        return int(self._values()["num_hidden_layers"])

    def changes(self) -> dict[str, Any]:
        return {**super().changes(), "layerdrop": self.layerdrop}

    def refuses(self, kind: Kind) -> str | None:
        if self.checkpoint:
            return None
        if kind == "clm" and self.direction != "left_to_right":
            return (
                f"direction {self.direction} shows tokens what comes after them, which a causal language model is "
                "asked for; nearest: `direction: left_to_right`"
            )
        if kind == "prefix" and self.direction != "prefix":
            return f"direction {self.direction} knows no prefix; nearest: `direction: prefix`"
        return None

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        closed = config.norm_place == "post" and config.normalisation != "none"
        return "output.norm" if closed else None

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.head.before(hidden)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        last = model.config.direction != "both"
        places = batch.cu_seqlens[1:] - 1 if last else batch.cu_seqlens[:-1]
        chosen = hidden.index_select(0, places)
        return model.pooler(chosen) if hasattr(model, "pooler") else chosen

    @classmethod
    def pair_scores(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.pairs(pooled)
