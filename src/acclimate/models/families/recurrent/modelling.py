"""Recurrent language models as Transformers models: the body, and its heads.

Legend: B sequences, L their length, E embedding size, H size of the last layer, V vocabulary, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from acclimate.models.causal_heads import CausalGenerationMixin, LastTokenClassifierMixin
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
    _input_embed_layer = "embed"

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
    """Embeddings and recurrent layers. Padding behind a text changes nothing; in front each place costs a step."""

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

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        memory: dict[str, Tensor] | None = None,
        **others: Any,
    ) -> RecurrentOutput:
        """input_ids [B, L]; `memory` is what the call before returned, None at the start of a text. Of padding in front
        of a sequence (0 in attention_mask [B, L or more], whose last L are looked at) nothing is remembered."""
        ahead = 0
        if attention_mask is not None:
            real = attention_mask[:, -input_ids.shape[1] :].bool()
            ahead = int(real.int().argmax(1).max())
        outs: list[RecurrentOutput] = []
        for place in range(ahead):
            outs.append(self._read(input_ids[:, place : place + 1], memory))
            memory = {
                name: torch.where(real[:, place, None], new, 0 if memory is None else memory[name])
                for name, new in outs[-1].memory.items()  # type: ignore[union-attr]
            }
        outs.append(self._read(input_ids[:, ahead:], memory))
        hidden, undropped = (
            torch.cat([one[name] for one in outs], dim=1) if ahead else outs[0][name]
            for name in ("last_hidden_state", "undropped")
        )
        return RecurrentOutput(last_hidden_state=hidden, undropped=undropped, memory=outs[-1].memory)

    def _read(self, input_ids: Tensor, memory: dict[str, Tensor] | None) -> RecurrentOutput:
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


class RecurrentForCausalLM(CausalGenerationMixin, RecurrentPreTrainedModel):
    """With a projection onto the vocabulary."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.model = RecurrentModel(config)
        self.lm_head = nn.Linear(config.sizes[-1], config.vocab_size)
        self.post_init()


class RecurrentForSequenceClassification(LastTokenClassifierMixin, RecurrentPreTrainedModel):
    """With a classifier of the state after a sequence's last token."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = RecurrentModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.sizes[-1], config.num_labels)
        self.post_init()


CONFIG = RecurrentConfig
AUTO = {
    "AutoModel": RecurrentModel,
    "AutoModelForCausalLM": RecurrentForCausalLM,
    "AutoModelForSequenceClassification": RecurrentForSequenceClassification,
}
