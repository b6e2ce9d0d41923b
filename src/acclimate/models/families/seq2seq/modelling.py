"""Sequence-to-sequence models as Transformers models: the body, and the model that writes.

Legend: B rows, S places of the source, L tokens written, H hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)

from acclimate.models.decoder_state import DecoderState
from acclimate.models.families.seq2seq.configuration import Seq2SeqConfig
from acclimate.models.families.seq2seq.recurrent import RecurrentDecoder, RecurrentEncoder
from acclimate.models.families.seq2seq.transformer import Stack, causal_mask
from acclimate.models.packing import Packing


class Seq2SeqPreTrainedModel(PreTrainedModel):
    config_class = Seq2SeqConfig
    base_model_prefix = "model"
    _input_embed_layer = "embed"
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Recurrent layers as torch's own, uniform in ±1/√H; all else normal."""
        if isinstance(module, (nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell)):
            for one in module.parameters():
                nn.init.uniform_(one, -(module.hidden_size**-0.5), module.hidden_size**-0.5)
        elif isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class Seq2SeqEncoder(Seq2SeqPreTrainedModel):
    """Embeddings and what reads them. Padding stands behind a text where the cell is recurrent."""

    main_input_name = "input_ids"

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.body: nn.Module
        if config.cell == "transformer":
            self.body = Stack(config, decoder=False)
        else:
            self.body = RecurrentEncoder(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        packing: Packing | None = None,
        **others: Any,
    ) -> BaseModelOutput:
        """input_ids [B, S], attention_mask [B, S]; `packing` and position_ids [B, S] for a Transformer's packed row."""
        x = self.embed(input_ids)
        if self.config.cell != "transformer":
            return BaseModelOutput(last_hidden_state=self.body(x, attention_mask))
        if position_ids is None:
            position_ids = torch.arange(x.shape[1], device=x.device)[None]
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        return BaseModelOutput(last_hidden_state=self.body(x, position_ids, mask, packing))


class Seq2SeqDecoder(Seq2SeqPreTrainedModel):
    """Embeddings and what writes behind them, with an eye on the source."""

    main_input_name = "input_ids"

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.body: nn.Module
        if config.cell == "transformer":
            self.body = Stack(config, decoder=True)
        else:
            self.body = RecurrentDecoder(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        past_key_values: DecoderState | None = None,
        use_cache: bool | None = None,
        position_ids: Tensor | None = None,
        packing: Packing | None = None,
        **others: Any,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """input_ids [B, L] of what was written after `past_key_values`; encoder_hidden_states [B, S, H]."""
        assert encoder_hidden_states is not None
        state = past_key_values or (DecoderState() if use_cache else None)
        x = self.embed(input_ids)
        if self.config.cell != "transformer":
            x = self.body(x, encoder_hidden_states, encoder_attention_mask, state)
        else:
            before, length = 0 if state is None else state.length, x.shape[1]
            if position_ids is None:
                position_ids = torch.arange(before, before + length, device=x.device)[None]
            own = causal_mask(length, before, attention_mask, x.device) if packing is None else None
            read = None if encoder_attention_mask is None else encoder_attention_mask[:, None, None, :].bool()
            x = self.body(x, position_ids, own, packing, (encoder_hidden_states, read), state)
            if state is not None:
                state.length += length
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=x, past_key_values=state)  # type: ignore[arg-type]


class Seq2SeqModel(Seq2SeqPreTrainedModel):
    """Encoder and decoder over one table of embeddings."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"decoder.embed.weight": "encoder.embed.weight"}

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config)
        self.encoder, self.decoder = Seq2SeqEncoder(config), Seq2SeqDecoder(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.embed

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.encoder.embed = self.decoder.embed = value  # type: ignore[assignment]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: DecoderState | None = None,
        use_cache: bool | None = None,
        **others: Any,
    ) -> Seq2SeqModelOutput:
        """Without decoder_input_ids [B, L] the source itself is written, behind the start token."""
        if encoder_outputs is None:
            assert input_ids is not None
            encoder_outputs = self.encoder(input_ids, attention_mask)
        if decoder_input_ids is None:
            assert input_ids is not None
            decoder_input_ids = behind_start(input_ids, self.config)
        out = self.decoder(
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs[0],
            attention_mask,
            past_key_values=past_key_values,
            use_cache=use_cache,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=out.last_hidden_state,
            past_key_values=out.past_key_values,
            encoder_last_hidden_state=encoder_outputs[0],
        )


class Seq2SeqForConditionalGeneration(Seq2SeqPreTrainedModel, GenerationMixin):
    """With a projection onto the vocabulary, tied to the embeddings, and a bias."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {
        "model.decoder.embed.weight": "model.encoder.embed.weight",
        "lm_head.weight": "model.encoder.embed.weight",
    }

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config)
        self.model = Seq2SeqModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # the decoder makes a state of its own

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """The labels behind the start token; −100 becomes padding."""
        return behind_start(labels.masked_fill(labels == -100, self.config.pad_token_id), self.config)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> Seq2SeqLMOutput:
        """labels [B, L] are what is to be written, −100 where nothing is asked."""
        if labels is not None and decoder_input_ids is None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        out = self.model(input_ids, attention_mask, decoder_input_ids, **others)
        logits = self.lm_head(out.last_hidden_state)
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=out.past_key_values,
            encoder_last_hidden_state=out.encoder_last_hidden_state,
        )


def behind_start(tokens: Tensor, config: Seq2SeqConfig) -> Tensor:
    """[B, L] moved by one to the right, the start token in front."""
    if config.decoder_start_token_id is None:
        raise ValueError("the configuration has no decoder_start_token_id; give decoder_input_ids")
    moved = tokens.roll(1, dims=1)
    moved[:, 0] = config.decoder_start_token_id
    return moved


CONFIG = Seq2SeqConfig
AUTO = {"AutoModel": Seq2SeqModel, "AutoModelForSeq2SeqLM": Seq2SeqForConditionalGeneration}
