"""BERT (Devlin et al. 2019) in the sizes of the original release and of Turc et al. (2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from acclimate.recipe.paths import ModelSource
from acclimate.recipe.settings import Component, Part, problem
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.building import Labels

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
    "mini": {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024},
    "small": {
        "num_hidden_layers": 4,
        "hidden_size": 512,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
    },
    "medium": {
        "num_hidden_layers": 8,
        "hidden_size": 512,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
    },
    "base": {
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "large": {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
PRESET = {"vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
"""What the published sizes share; a recipe's own tokenizer decides the vocabulary."""

POSITIONS = 512
_INITIALISER = Part("initialiser")

Kind = Literal["mlm", "classification", "encoder"]


@dataclass(frozen=True)
class Vocabulary:
    """What a model must know of its tokenizer."""

    size: int
    pad_id: int


class Bert(Component):
    """BERT: a bidirectional Transformer encoder with learnt positions, GELU (erf form) and post-norm layers.

    Source: Devlin et al. 2019, "BERT"; sizes tiny, mini, small: Turc et al. 2019, "Well-Read Students Learn Better".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "bert")

    size: Literal["tiny", "mini", "small", "medium", "base", "large"] | None = None
    """Layers/hidden/heads: tiny 2/128/2, mini 4/256/4, small 4/512/8, medium 8/512/8, base 12/768/12,
    large 24/1024/16. Mini when nothing is given."""
    checkpoint: ModelSource | None = None
    """Start from these weights instead of random ones: a Transformers folder or a hub id."""
    positions: int = Field(default=POSITIONS, ge=16)
    """Longest sequence that the model can take, in tokens; a checkpoint brings its own."""
    dropout: Share = 0.1
    """Share of hidden values zeroed in training, everywhere but in attention."""
    attention_dropout: Share = 0.1
    """Share of attention weights zeroed in training."""
    initialise: Annotated[Component, _INITIALISER] = Field(default="truncated_normal")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept."""

    @model_validator(mode="after")
    def _one_origin(self) -> Bert:
        if self.size and self.checkpoint:
            raise ValueError("`size` and `checkpoint` exclude each other: the checkpoint has its own size")
        if self.checkpoint:
            for name, usual in (
                ("positions", POSITIONS),
                ("initialise", _INITIALISER.parse("truncated_normal")),
            ):
                if getattr(self, name) != usual:
                    raise problem(
                        f"{name}: the checkpoint brings its own, so this would have no effect", at=(name,)
                    )
        return self

    @property
    def starts_from(self) -> str | None:
        """The checkpoint's folder or hub id; None for random weights."""
        return self.checkpoint

    def max_positions(self) -> int | None:
        """Longest sequence in tokens; None when only the checkpoint knows."""
        return None if self.checkpoint else self.positions

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        """The Transformers configuration; without a vocabulary that of the published preset."""
        from transformers import BertConfig

        values: dict[str, Any] = {**PRESET, **SIZES[self.size or "mini"]}
        values["max_position_embeddings"] = self.positions
        if vocabulary is not None:
            values["vocab_size"] = vocabulary.size
            values["pad_token_id"] = vocabulary.pad_id
        return BertConfig(
            **values, hidden_dropout_prob=self.dropout, attention_probs_dropout_prob=self.attention_dropout
        )

    def build(
        self,
        *,
        vocabulary: Vocabulary,
        seed: int,
        kind: Kind = "mlm",
        labels: Labels | None = None,
        warn: Callable[[str], object] = lambda text: None,
    ) -> PreTrainedModel:
        """A model with packed attention, in fp32: random weights from the seed, or the checkpoint's.

        `warn` is told when a checkpoint lacks a head that had to be drawn.
        """
        from acclimate.models.building import fresh_model
        from acclimate.models.loading import load_model

        if self.starts_from is not None:
            changes = {
                "hidden_dropout_prob": self.dropout,
                "attention_probs_dropout_prob": self.attention_dropout,
            }
            return load_model(
                self.starts_from,
                kind,
                vocabulary=vocabulary,
                labels=labels,
                seed=seed,
                changes=changes,
                warn=warn,
            )
        return fresh_model(
            self.config(vocabulary), kind, initialise=self.initialise, seed=seed, labels=labels
        )
