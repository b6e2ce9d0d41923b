"""ELMo as Transformers models: the body, the language model in both directions, the classifier.

Legend: B sequences, L their length, P projected size, C cell size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput
from transformers.utils import ModelOutput

from acclimate.models.families.elmo.characters import CharacterCnn, Highway
from acclimate.models.families.elmo.configuration import ElmoConfig


class ProjectedLstm(nn.Module):
    """s ← clip(f⊙s + i⊙g), h ← clip(R(o⊙tanh(s))): an lstm whose state is projected (Sak et al. 2014)."""

    def __init__(self, input_size: int, cell_size: int, hidden_size: int, clip: float) -> None:
        super().__init__()
        self.clip = clip
        self.weight_ih = nn.Parameter(torch.empty(4 * cell_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * cell_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(4 * cell_size))
        self.weight_hr = nn.Parameter(torch.empty(hidden_size, cell_size))

    @torch.no_grad()
    def begin_open(self) -> None:
        """A cell begins by remembering."""
        self.bias.chunk(4)[1].fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, I] → [B, L, P]"""
        h = x.new_zeros(len(x), self.weight_hh.shape[1])
        s = x.new_zeros(len(x), self.weight_hr.shape[1])
        outs = []
        for given in functional.linear(x, self.weight_ih, self.bias).unbind(1):
            i, f, g, o = (given + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
            s = (f.sigmoid() * s + i.sigmoid() * g.tanh()).clamp(-self.clip, self.clip)
            h = functional.linear(o.sigmoid() * s.tanh(), self.weight_hr).clamp(-self.clip, self.clip)
            outs.append(h)
        return torch.stack(outs, dim=1)


class ElmoPreTrainedModel(PreTrainedModel):
    config_class = ElmoConfig
    base_model_prefix = "elmo"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Matrices normal with variance 1/inputs; a cell begins by remembering, a highway by carrying."""
        if isinstance(module, ProjectedLstm):
            for weight in (module.weight_ih, module.weight_hh, module.weight_hr):
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.Linear, nn.Conv1d)):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -1.0, 1.0)
        if isinstance(module, (ProjectedLstm, Highway, ScalarMix)):
            module.begin_open()


class ElmoModel(ElmoPreTrainedModel):
    """Reads each sequence forwards and backwards. `last_hidden_state` is the upper layer's, forwards and backwards side
    by side; `hidden_states` all layers', the words themselves (twice) first."""

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__(config)
        self.characters = CharacterCnn(config)
        spelling = torch.zeros(config.vocab_size, config.longest_word, dtype=torch.int16)
        self.register_buffer("spelling", spelling)
        self.forwards, self.backwards = (
            nn.ModuleList(
                ProjectedLstm(config.hidden_size, config.cell_size, config.hidden_size, config.clip)
                for _ in range(config.num_hidden_layers)
            )
            for _ in range(2)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.characters.embed

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> BaseModelOutput:
        """input_ids [B, L], padding behind the tokens."""
        ids, places = torch.unique(input_ids, return_inverse=True)
        words = self.characters(self.spelling[ids].long())[places]
        lengths = input_ids.new_full((len(input_ids), 1), input_ids.shape[1])
        if attention_mask is not None:
            lengths = attention_mask.sum(1, keepdim=True)
        steps = torch.arange(input_ids.shape[1], device=input_ids.device)[None, :]
        turned = torch.where(steps < lengths, lengths - 1 - steps, steps)
        ahead = self._read(self.forwards, words)
        back = [_reordered(one, turned) for one in self._read(self.backwards, _reordered(words, turned))]
        layers = tuple(torch.cat(pair, dim=-1) for pair in zip(ahead, back, strict=True))
        return BaseModelOutput(
            last_hidden_state=self.dropout(layers[-1]),
            hidden_states=(torch.cat([words, words], dim=-1), *layers),
        )

    def _read(self, layers: Any, x: Tensor) -> list[Tensor]:
        """Each layer's output; from the second layer on its input is added to it."""
        outputs: list[Tensor] = []
        for layer in layers:
            out = layer(self.dropout(x))
            x = out + x if outputs else out
            outputs.append(x)
        return outputs


def _reordered(x: Tensor, places: Tensor) -> Tensor:
    """[B, L, P] with the tokens at these places [B, L] of their sequence."""
    return x.gather(1, places[:, :, None].expand_as(x))


@dataclass
class BiLmOutput(ModelOutput):
    """Scores of the next word and of the one before."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    """[B, L, V]"""
    backward_logits: Tensor | None = None
    """[B, L, V]"""


class ElmoForBiLm(ElmoPreTrainedModel):
    """With one projection onto the vocabulary for both directions."""

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__(config)
        self.elmo = ElmoModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def forward(self, input_ids: Tensor, labels: Tensor | None = None, **others: Any) -> BiLmOutput:
        """labels [B, L] are the inputs themselves, −100 where nothing is asked; the loss is the mean of both ways'."""
        ahead, back = (
            self.lm_head(one) for one in self.elmo(input_ids, **others).last_hidden_state.chunk(2, dim=-1)
        )
        loss = None
        if labels is not None:
            losses = (
                functional.cross_entropy(scores.flatten(0, 1), asked.flatten())
                for scores, asked in ((ahead[:, :-1], labels[:, 1:]), (back[:, 1:], labels[:, :-1]))
            )
            loss = sum(losses) / 2
        return BiLmOutput(loss=loss, logits=ahead, backward_logits=back)


class ScalarMix(nn.Module):
    """γ·Σⱼ softmax(s)ⱼ·hⱼ, learnt for a task: γ begins as 1, all s as 0."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.empty(layers))
        self.scale = nn.Parameter(torch.empty(()))

    @torch.no_grad()
    def begin_open(self) -> None:
        """All layers alike."""
        self.scores.zero_()
        self.scale.fill_(1.0)

    def forward(self, layers: tuple[Tensor, ...]) -> Tensor:
        shares = self.scores.softmax(0)
        return self.scale * sum(share * one for share, one in zip(shares, layers, strict=True))


class ElmoForSequenceClassification(ElmoPreTrainedModel):
    """With a classifier of the mean of the mixed layers over a sequence's tokens."""

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.elmo = ElmoModel(config)
        self.mix = ScalarMix(config.num_hidden_layers + 1)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(2 * config.hidden_size, config.num_labels)
        self.post_init()

    def mixed(self, **inputs: Any) -> BaseModelOutput:
        """The mixed layers [B, L, 2·P] as `last_hidden_state`."""
        return BaseModelOutput(last_hidden_state=self.mix(self.elmo(**inputs).hidden_states))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        """labels [B] classes, or float [B, C] for several at once."""
        hidden = self.mixed(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mean = (hidden * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        logits = self.classifier(self.dropout(mean))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


CONFIG = ElmoConfig
AUTO = {"AutoModel": ElmoModel, "AutoModelForSequenceClassification": ElmoForSequenceClassification}
