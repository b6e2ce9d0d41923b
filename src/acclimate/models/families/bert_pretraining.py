"""BERT with both of its pretraining heads; that over pairs has as many classes as the configuration says."""

from __future__ import annotations

from typing import Any

import transformers
from torch import nn


class BertForPreTraining(transformers.BertForPreTraining):
    """With two classes it is Transformers' own. With three (StructBERT) plain Transformers loads all but that head."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if config.num_labels != self.cls.seq_relationship.out_features:
            self.cls.seq_relationship = nn.Linear(config.hidden_size, config.num_labels)
            self.post_init()
