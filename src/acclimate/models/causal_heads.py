"""Heads of causal models of ours whose body carries a memory along a text: next tokens, and classes.

Legend: B sequences, L their length, V vocabulary, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import ModelOutput

from acclimate.models.decoder_state import DecoderState


@dataclass
class NextTokenOutput(ModelOutput):
    """What the model says of the next token at each place."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    """[B, L, V]"""
    past_key_values: DecoderState | None = None
    """What is remembered of the text, for the tokens behind it. Where asked for."""


class CausalGenerationMixin(GenerationMixin):
    """Projects the output of the body `model` by `lm_head`, tied to the embeddings where the configuration says so.

    What `generate` keeps from one token to the next is the body's memory, of all of the text: what is written is what
    the whole text, read again for every token, would give.
    """

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed.weight"}
    _is_stateful = True
    """A memory cannot be taken back by some tokens, as assisted generation would want."""

    config: Any
    model: nn.Module
    lm_head: nn.Linear

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # the memory is one of its own

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        past_key_values: DecoderState | None = None,
        use_cache: bool | None = None,
        **others: Any,
    ) -> NextTokenOutput:
        """input_ids [B, L] of what stands after `past_key_values`; labels [B, L] are the inputs themselves, −100 where
        nothing is asked; they are shifted here."""
        state = past_key_values or (DecoderState() if use_cache else None)
        if state is None:
            out = self.model(input_ids, attention_mask, **others)
        else:
            memory = state.tensors or None
            out = self.model(input_ids, attention_mask, memory=memory, remember="all", **others)
            state.tensors, state.length = out.memory, state.length + input_ids.shape[1]
        logits = self.lm_head(out.last_hidden_state)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size)  # type: ignore[attr-defined]
        return NextTokenOutput(loss=loss, logits=logits, past_key_values=state)


class LastTokenClassifierMixin:
    """Classifies the output of the body `model` at a sequence's last token, which alone has seen all."""

    config: Any
    model: nn.Module
    dropout: nn.Dropout
    classifier: nn.Linear

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        """labels [B] classes, or float [B, C] for several at once."""
        hidden = self.model(input_ids, attention_mask, **others).last_hidden_state
        places = torch.arange(hidden.shape[1], device=hidden.device).expand(hidden.shape[:2])
        last = places[:, -1] if attention_mask is None else (attention_mask * places).argmax(1)
        logits = self.classifier(self.dropout(hidden[torch.arange(len(hidden), device=hidden.device), last]))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)  # type: ignore[attr-defined]
        return SequenceClassifierOutput(loss=loss, logits=logits)
