"""ELMo (Peters et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from acclimate.models.family import INITIALISER, Family, Vocabulary
from acclimate.models.kinds import Kind
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Share

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch

_MODELLING = "acclimate.models.families.elmo.modelling"


def _size(cell: int, hidden: int, highways: int) -> dict[str, int]:
    return {"cell_size": cell, "hidden_size": hidden, "highways": highways, "num_hidden_layers": 2}


class Elmo(Family):
    """ELMo: words by a CNN over their characters, then two stacks of lstm layers, one forwards, one backwards.

    Seven widths of filters, highways, a projection; cells and projected states clipped at 3; from the second layer on a
    layer's input is added to its output. A task learns γ·Σⱼ softmax(s)ⱼ·hⱼ over the words and both layers. Characters
    are the UTF-8 bytes of a token's spelling, so any tokenizer will do; the authors' has words. Source: Peters et al.
    2018, "Deep contextualized word representations", and the authors' program for what the paper leaves open.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "elmo")
    model_types: ClassVar[tuple[str, ...]] = ("acclimate_elmo",)
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "small": _size(1024, 128, 1),
        "medium": _size(2048, 256, 1),
        "original": _size(4096, 512, 2),
    }
    default_size: ClassVar[str] = "small"
    kinds: ClassVar[Mapping[Kind, str]] = {
        "encoder": f"{_MODELLING}:ElmoModel",
        "bilm": f"{_MODELLING}:ElmoForBiLm",
        "classification": f"{_MODELLING}:ElmoForSequenceClassification",
    }
    packed: ClassVar[bool] = False
    has_table: ClassVar[bool] = False
    position_input: ClassVar[str | None] = None
    token_inputs: ClassVar[Mapping[str, str]] = {}
    lacks: ClassVar[tuple[str, ...]] = ("positions", "attention_dropout")

    size: Literal["small", "medium", "original"] | None = None
    """Cell/projection/highways: small 1024/128/1, medium 2048/256/1, original 4096/512/2. Small when nothing is
    given."""
    dropout: Share = 0.1
    """Share of hidden values zeroed in training."""
    initialise: Annotated[Component, INITIALISER] = Field(default="t5")  # type: ignore[assignment]
    """How random weights are drawn, but for the gates that begin open; a checkpoint's weights are kept. T5's rule is
    ELMo's own, matrices with 1/√inputs: with BERT's 0.02 next to nothing of a word would come through."""

    def changes(self) -> dict[str, Any]:
        return {"dropout": self.dropout, "classifier_dropout": self.dropout}

    def build(self, *, vocabulary: Vocabulary, **given: Any) -> PreTrainedModel:
        """As every family; a model with random weights is told how the vocabulary's tokens are spelt."""
        import torch

        from acclimate.models.families.elmo.characters import spelt

        model: Any = super().build(vocabulary=vocabulary, **given)
        if self.starts_from is None:
            words = vocabulary.spellings or list(map(str, range(vocabulary.size)))
            table = spelt(words, model.config.longest_word, vocabulary.special or {})
            model.base_model.spelling.copy_(torch.from_numpy(table))
        return model  # type: ignore[no-any-return]

    @classmethod
    def width(cls, config: Any) -> int:
        """Both directions side by side."""
        return 2 * int(config.hidden_size)

    @classmethod
    def flops(cls, model: PreTrainedModel, length: int) -> int:
        """Filters go over all places of a word; one that stands twice in a batch is read once, but counted twice."""
        from acclimate.models.sizes import forward_flops

        config = model.config
        places = sum(
            2 * width * config.character_size * number * (config.longest_word - width)
            for width, number in config.filters
        )
        return forward_flops(model, length) + places

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        from acclimate.models.rows import padded_output

        body = getattr(model, "mixed", model.base_model)
        return padded_output(body, cls.inputs(batch), batch.cu_seqlens)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        from acclimate.models.forward import means

        return means(hidden, batch).to(hidden.dtype)
