"""DistilBERT (Sanh et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from acclimate.models.options import TakesActivation

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class DistilBert(TakesActivation):
    """DistilBERT: BERT of six layers without segments and pooler, made to be distilled from BERT-base.

    Source: Sanh et al. 2019, "DistilBERT, a distilled version of BERT".
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "distilbert")
    model_types: ClassVar[tuple[str, ...]] = ("distilbert",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "base": {"n_layers": 6, "dim": 768, "n_heads": 12, "hidden_dim": 3072}
    }
    activation_key: ClassVar[str] = "activation"
    default_size: ClassVar[str] = "base"
    layer_lists: ClassVar[Mapping[str, str]] = {"transformer.layer": "n_layers"}
    preset: ClassVar[Mapping[str, Any]] = {"vocab_size": 30522, "max_position_embeddings": 512}
    token_inputs: ClassVar[Mapping[str, str]] = {}

    size: Literal["base"] | None = None
    """Layers/hidden/heads: base 6/768/12."""

    def changes(self) -> dict[str, Any]:
        return {
            "dropout": self.dropout,
            "seq_classif_dropout": self.dropout,
            "qa_dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
        }

    @classmethod
    def find_spans(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.qa_outputs(model.dropout(hidden))

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        return "output_layer_norm"

    @classmethod
    def before_vocabulary(cls, model: PreTrainedModel, hidden: Tensor) -> Tensor:
        return model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.classifier(model.dropout(model.pre_classifier(pooled).relu()))
