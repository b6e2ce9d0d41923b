"""A generator and a discriminator that share their embeddings, as one model to train and two plain ones to keep."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining, ElectraPreTrainedModel

GENERATOR = "generator"
"""Sub-folder of a saved discriminator."""


def generator_config(config: ElectraConfig) -> ElectraConfig:
    """That of the generator which goes with a discriminator: of the same depth, `generator_width` times its width."""
    width = config.generator_width
    made = copy.deepcopy(config)
    made.num_attention_heads = max(1, round(width * config.num_attention_heads))
    head = max(1, round(width * config.hidden_size / made.num_attention_heads))
    made.hidden_size = made.num_attention_heads * head
    made.intermediate_size = max(1, round(width * config.intermediate_size))
    return made


class ElectraPair(ElectraPreTrainedModel):
    """The generator fills masked places, the discriminator tells which tokens are not the original ones.

    To whoever asks for its body or calls it the pair is its discriminator.
    """

    config: ElectraConfig

    def __init__(
        self,
        config: ElectraConfig,
        discriminator: ElectraForPreTraining | None = None,
        generator: ElectraForMaskedLM | None = None,
    ) -> None:
        super().__init__(config)
        self.discriminator = ElectraForPreTraining(config) if discriminator is None else discriminator
        self.generator = ElectraForMaskedLM(generator_config(config)) if generator is None else generator
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.generator.generator_lm_head.weight = self.discriminator.electra.embeddings.word_embeddings.weight

    @property
    def electra(self) -> Any:
        return self.discriminator.electra

    def get_output_embeddings(self) -> Any:
        return self.generator.generator_lm_head

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.discriminator(*inputs, **named)

    def save_pretrained(self, save_directory: Any, **options: Any) -> None:  # type: ignore[override]
        """The discriminator as a plain ELECTRA, the generator as another in a sub-folder."""
        self.discriminator.save_pretrained(save_directory, **options)
        self.generator.save_pretrained(Path(save_directory) / GENERATOR, **options)

    @classmethod
    def from_pretrained(cls, source: Any, *, output_loading_info: bool = False, **options: Any) -> Any:  # type: ignore[override]
        """The pair in a folder that `save_pretrained` wrote; beside a discriminator alone a generator is drawn.
        Raises ValueError for a generator that cannot share its embeddings."""
        discriminator, found = ElectraForPreTraining.from_pretrained(
            source, output_loading_info=True, **options
        )
        options.pop("config", None)
        own: dict[str, Any] = {}
        generator = None
        if (Path(source) / GENERATOR / "config.json").is_file():
            generator, own = ElectraForMaskedLM.from_pretrained(
                source, subfolder=GENERATOR, output_loading_info=True, **options
            )
            _require_shared(discriminator.config, generator.config)
        model = cls(discriminator.config, discriminator, generator)
        if generator is None:
            shared = {id(one) for one in discriminator.parameters()}
            named = model.generator.named_parameters()
            own["missing_keys"] = {name for name, one in named if id(one) not in shared}
        for name, about in own.items():
            found[name] = {*found[name], *(_of_generator(one) for one in about)}
        return (model, found) if output_loading_info else model


def _of_generator(told: Any) -> Any:
    """What is told of a weight, by the name that it has in the pair."""
    return f"{GENERATOR}.{told}" if isinstance(told, str) else (f"{GENERATOR}.{told[0]}", *told[1:])


def _require_shared(discriminator: ElectraConfig, generator: ElectraConfig) -> None:
    for name in ("vocab_size", "embedding_size", "max_position_embeddings", "type_vocab_size"):
        ours, theirs = getattr(discriminator, name), getattr(generator, name)
        if ours != theirs:
            raise ValueError(
                f"the generator in its folder {GENERATOR} cannot share the discriminator's embeddings: its {name} is "
                f"{theirs}, the discriminator's {ours}"
            )
