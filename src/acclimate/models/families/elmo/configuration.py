"""The configuration of ELMo: what is in a model's `config.json`."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

FILTERS = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
"""[width in characters, number] of the convolutions."""


class ElmoConfig(PreTrainedConfig):
    """A character CNN and two stacks of lstm layers with projections."""

    model_type = "acclimate_elmo"

    vocab_size: int = 10_000
    characters: int = 261
    """Bytes, and marks for the beginning and end of texts and words, and for nothing."""
    character_size: int = 16
    longest_word: int = 50
    """Characters of a word that are read, its two marks included."""
    filters: list[list[int]] | None = None
    highways: int = 2
    cell_size: int = 4096
    hidden_size: int = 512
    """What a word and a direction's state are projected onto."""
    num_hidden_layers: int = 2
    clip: float = 3.0
    """Largest value of a cell, and of a projected state."""
    dropout: float = 0.1
    """Of what goes into a layer, and of what the vocabulary is scored by."""
    classifier_dropout: float = 0.1
    pad_token_id: int | None = 0

    def __post_init__(self, **others: Any) -> None:
        super().__post_init__(**others)
        self.filters = self.filters or FILTERS
        if (widest := max(width for width, _ in self.filters)) > self.longest_word:
            raise ValueError(f"longest_word {self.longest_word} is shorter than the widest filter, {widest}")
