"""The heads of a Transformer made of parts: of an encoder and of a decoder.

Legend: N rows, L places of each, H hidden size, E embedding size, V vocabulary, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import (
    CausalLMOutput,
    MaskedLMOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.models.bert.modeling_bert import BertForPreTrainingOutput
from transformers.utils.generic import can_return_tuple

from acclimate.models.families.transformer.body import TransformerModel, TransformerPreTrained
from acclimate.models.families.transformer.choices import FUNCTIONS
from acclimate.models.families.transformer.configuration import TransformerConfig
from acclimate.models.families.transformer.norms import norm_of_head


class VocabularyHead(nn.Module):
    """Hidden values → scores of the vocabulary; the table of words is used again."""

    def __init__(self, config: TransformerConfig, *, transform: bool) -> None:
        super().__init__()
        size = config.embedding_size or config.hidden_size
        self.function = self.norm = None
        self.dense = None
        if transform or size != config.hidden_size:
            self.dense = nn.Linear(config.hidden_size, size, bias=config.use_bias)
        if transform:
            self.function, self.norm = ACT2FN[FUNCTIONS[config.activation]], norm_of_head(config, size)
        self.decoder = nn.Linear(size, config.vocab_size, bias=config.use_bias)

    def before(self, x: Tensor) -> Tensor:
        """[…, H] → […, E]"""
        x = x if self.dense is None else self.dense(x)
        if self.norm is None or self.function is None:
            return x
        return self.norm(self.function(x))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """[…, H] → […, V]"""
        return self.decoder(self.before(x))  # type: ignore[no-any-return]


class WithVocabulary(TransformerPreTrained):
    """A head over the vocabulary."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {
        "head.decoder.weight": "model.embeddings.word_embeddings.weight"
    }
    transform = True

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.model = TransformerModel(config)
        self.head = VocabularyHead(config, transform=self.transform and config.head_transform)
        self._more(config)
        self.post_init()

    def _more(self, config: TransformerConfig) -> None:
        """Other heads."""

    def get_output_embeddings(self) -> nn.Module:
        return self.head.decoder

    def set_output_embeddings(self, new: Any) -> None:
        self.head.decoder = new


class TransformerForMaskedLM(WithVocabulary):
    """Which token stands at each place."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> MaskedLMOutput:
        """labels [N, L]: token ids, -100 where nothing is asked."""
        out = self.model(input_ids, attention_mask, **others)
        logits = self.head(out.last_hidden_state)
        return MaskedLMOutput(loss=_loss(logits, labels), logits=logits, hidden_states=out.hidden_states)


class TransformerForCausalLM(WithVocabulary, GenerationMixin):
    """Which token comes next. `generate` reads the whole text again for each token; in the direction `prefix` the
    text that it is given is the prefix."""

    transform = False

    def __init__(self, config: TransformerConfig) -> None:
        if config.direction == "both":
            raise ValueError(
                "direction: both shows each token the next one, which a causal language model is asked for; "
                "nearest: left_to_right"
            )
        super().__init__(config)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> CausalLMOutput:
        """labels [N, L]: the tokens themselves, -100 where nothing is asked; each is compared with the place before."""
        out = self.model(input_ids, attention_mask, token_type_ids, position_ids, **others)
        logits = self.head(out.last_hidden_state)
        loss = None if labels is None else _loss(logits[:, :-1], labels[:, 1:])
        return CausalLMOutput(loss=loss, logits=logits, hidden_states=out.hidden_states)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def prepare_inputs_for_generation(
        self, input_ids: Any, next_sequence_length: int | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The whole text each time."""
        return super().prepare_inputs_for_generation(input_ids, **kwargs)  # type: ignore[no-any-return]

    def _prepare_model_inputs(self, *given: Any) -> Any:
        """Unless its user says otherwise, all that is given is prefix."""
        inputs, name, others = super()._prepare_model_inputs(*given)
        if self.config.direction == "prefix" and others.get("token_type_ids") is None:
            others["token_type_ids"] = torch.zeros_like(inputs)
        return inputs, name, others

    def _update_model_kwargs_for_generation(self, *given: Any, **others: Any) -> dict[str, Any]:
        """What is written is no prefix."""
        found = super()._update_model_kwargs_for_generation(*given, **others)
        if self.config.direction == "prefix":
            found["token_type_ids"][:, -1] = 1
        return found


class Pooler(nn.Module):
    """One vector of a sequence: its first token's, or where tokens see what is before them its last one's."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.last = config.direction != "both"
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, chosen: Tensor) -> Tensor:
        """[N, H] → [N, H]"""
        return torch.tanh(self.dense(chosen))

    def of(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """[N, L, H] → [N, H]"""
        if not self.last:
            return self(hidden[:, 0])  # type: ignore[no-any-return]
        real = hidden.new_ones(hidden.shape[:2]) if attention_mask is None else attention_mask
        places = torch.arange(hidden.shape[1], device=hidden.device)
        last = (places * real.bool()).amax(1)
        return self(hidden[torch.arange(len(hidden), device=hidden.device), last])  # type: ignore[no-any-return]


class TransformerForPreTraining(WithVocabulary):
    """Which token stands at each place, and how the two texts of a pair belong together."""

    def _more(self, config: TransformerConfig) -> None:
        self.pooler = Pooler(config)
        self.pairs = nn.Linear(config.hidden_size, 2)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        **others: Any,
    ) -> BertForPreTrainingOutput:
        """labels [N, L] as of a masked language model; next_sentence_label [N]."""
        out = self.model(input_ids, attention_mask, **others)
        logits = self.head(out.last_hidden_state)
        pairs = self.pairs(self.pooler.of(out.last_hidden_state, attention_mask))
        losses = [
            one for one in (_loss(logits, labels), _loss(pairs, next_sentence_label)) if one is not None
        ]
        return BertForPreTrainingOutput(
            loss=sum(losses) if losses else None,  # type: ignore[arg-type]
            prediction_logits=logits,
            seq_relationship_logits=pairs,
            hidden_states=out.hidden_states,
        )


class WithClasses(TransformerPreTrained):
    """A head over classes."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.model = TransformerModel(config)
        given = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if given is None else given)
        self._more(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def _more(self, config: TransformerConfig) -> None:
        """What stands below the classes."""


class TransformerForSequenceClassification(WithClasses):
    """A class for each sequence."""

    def _more(self, config: TransformerConfig) -> None:
        self.pooler = Pooler(config)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        """labels [N]; of a model with several labels at once [N, C] of 0 and 1."""
        out = self.model(input_ids, attention_mask, **others)
        logits = self.classifier(self.dropout(self.pooler.of(out.last_hidden_state, attention_mask)))
        loss = None
        if labels is not None and self.config.problem_type == "multi_label_classification":
            loss = functional.binary_cross_entropy_with_logits(logits.float(), labels.float())
        elif labels is not None:
            loss = _loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=out.hidden_states)


class TransformerForTokenClassification(WithClasses):
    """A class for each token."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> TokenClassifierOutput:
        """labels [N, L], -100 where nothing is asked."""
        out = self.model(input_ids, attention_mask, **others)
        logits = self.classifier(self.dropout(out.last_hidden_state))
        return TokenClassifierOutput(
            loss=_loss(logits, labels), logits=logits, hidden_states=out.hidden_states
        )


class TransformerForQuestionAnswering(TransformerPreTrained):
    """Where in a text the answer begins and ends."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.model = TransformerModel(config)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **others: Any,
    ) -> QuestionAnsweringModelOutput:
        """start_positions, end_positions [N]: the answer's first and last token."""
        out = self.model(input_ids, attention_mask, **others)
        start, end = (one.squeeze(-1) for one in self.qa_outputs(out.last_hidden_state).split(1, -1))
        loss = None
        if start_positions is not None and end_positions is not None:
            each = (
                functional.cross_entropy(*one) for one in ((start, start_positions), (end, end_positions))
            )
            loss = sum(each) / 2
        return QuestionAnsweringModelOutput(
            loss=loss,  # type: ignore[arg-type]
            start_logits=start,  # type: ignore[arg-type]
            end_logits=end,  # type: ignore[arg-type]
            hidden_states=out.hidden_states,
        )


def _loss(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    if labels is None:
        return None
    return functional.cross_entropy(logits.flatten(0, -2).float(), labels.flatten())


CONFIG = TransformerConfig
AUTO: Mapping[str, type[PreTrainedModel]] = {
    "AutoModel": TransformerModel,
    "AutoModelForMaskedLM": TransformerForMaskedLM,
    "AutoModelForCausalLM": TransformerForCausalLM,
    "AutoModelForPreTraining": TransformerForPreTraining,
    "AutoModelForSequenceClassification": TransformerForSequenceClassification,
    "AutoModelForTokenClassification": TransformerForTokenClassification,
    "AutoModelForQuestionAnswering": TransformerForQuestionAnswering,
}
"""Name of an Auto class → the model that it builds."""
