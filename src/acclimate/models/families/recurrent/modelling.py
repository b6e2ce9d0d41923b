"""Recurrent language models as Transformers models: the body, and its heads.

Legend: B sequences, L their length, E embedding size, H size of the last layer, V vocabulary, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput, SequenceClassifierOutput
from transformers.utils import ModelOutput

from acclimate.models.families.recurrent.configuration import RecurrentConfig
from acclimate.models.families.recurrent.dropouts import LockedDropout, without_words
from acclimate.models.families.recurrent.layer import RecurrentLayer


@dataclass
class RecurrentOutput(ModelOutput):
    """What the body says."""

    last_hidden_state: Tensor | None = None
    """[B, L, H] after dropout."""
    undropped: Tensor | None = None
    """[B, L, H] before it."""
    memory: dict[str, Tensor] | None = None
    """The state after the last token: `<layer>.<name>` → [B, size of the layer]."""


class RecurrentPreTrainedModel(PreTrainedModel):
    config_class = RecurrentConfig
    base_model_prefix = "model"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """torch's own: layers uniform in ±1/√H, tables ±0.1."""
        if isinstance(module, RecurrentLayer):
            for one in module.parameters():
                nn.init.uniform_(one, -(module.hidden_size**-0.5), module.hidden_size**-0.5)
        elif isinstance(module, (nn.Embedding, nn.Linear)):
            nn.init.uniform_(module.weight, -0.1, 0.1)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)


class RecurrentModel(RecurrentPreTrainedModel):
    """Embeddings and recurrent layers. Padding stands behind a sequence's tokens, where no state comes from."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.embedding_size)
        sizes = config.sizes
        self.layers = nn.ModuleList(
            RecurrentLayer(
                config.cell,
                before,
                size,
                two_biases=config.two_biases,
                weight_dropout=config.weight_dropout,
                gate_dropout=config.gate_dropout,
                gates=tuple(config.gates or ("g",)),
            )
            for before, size in zip([config.embedding_size, *sizes], sizes, strict=False)
        )
        shares = [config.input_dropout, *[config.hidden_dropout] * (len(sizes) - 1), config.output_dropout]
        self.dropouts = nn.ModuleList(LockedDropout(share, locked=config.locked_dropout) for share in shares)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embed = value  # type: ignore[assignment]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        memory: dict[str, Tensor] | None = None,
        **others: Any,
    ) -> RecurrentOutput:
        """input_ids [B, L]; `memory` is what the call before returned, None at the start of a text."""
        x = self.dropouts[0](self._embedded(input_ids))
        after: dict[str, Tensor] = {}
        for number, layer in enumerate(self.layers):
            own = memory and {name: memory[f"{number}.{name}"] for name in layer.names()}  # type: ignore[operator]
            raw, last = layer(x, own)
            after |= {f"{number}.{name}": one for name, one in last.items()}
            x = self.dropouts[number + 1](raw)
        return RecurrentOutput(last_hidden_state=x, undropped=raw, memory=after)

    def _embedded(self, input_ids: Tensor) -> Tensor:
        p = self.config.embedding_dropout
        if not self.training or not p:
            return self.embed(input_ids)  # type: ignore[no-any-return]
        return functional.embedding(input_ids, without_words(self.embed.weight, p))


class RecurrentForCausalLM(RecurrentPreTrainedModel):
    """With a projection onto the vocabulary, tied to the embeddings where the configuration says so."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed.weight"}

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.model = RecurrentModel(config)
        self.lm_head = nn.Linear(config.sizes[-1], config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new: nn.Module) -> None:
        self.lm_head = new  # type: ignore[assignment]

    def forward(self, input_ids: Tensor, labels: Tensor | None = None, **others: Any) -> CausalLMOutput:
        """labels [B, L] are the inputs themselves, −100 where nothing is asked; they are shifted here."""
        logits = self.lm_head(self.model(input_ids, **others).last_hidden_state)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size)
        return CausalLMOutput(loss=loss, logits=logits)


class RecurrentForSequenceClassification(RecurrentPreTrainedModel):
    """With a classifier of the state after a sequence's last token."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = RecurrentModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.sizes[-1], config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        """labels [B] classes, or float [B, C] for several at once."""
        hidden = self.model(input_ids, **others).last_hidden_state
        last = hidden.new_full((len(hidden),), hidden.shape[1] - 1, dtype=torch.long)
        if attention_mask is not None:
            last = attention_mask.sum(1) - 1
        logits = self.classifier(self.dropout(hidden[torch.arange(len(hidden)), last]))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


CONFIG = RecurrentConfig
AUTO = {
    "AutoModel": RecurrentModel,
    "AutoModelForCausalLM": RecurrentForCausalLM,
    "AutoModelForSequenceClassification": RecurrentForSequenceClassification,
}
