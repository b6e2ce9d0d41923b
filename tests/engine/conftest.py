"""A small real training: a tiny BERT that learns to tell sequences apart by a token in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training
from acclimate.engine.state import TrainState
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.classify import SequenceClassification
from acclimate.optim.adamw import AdamW
from acclimate.optim.clip_norm import ClipNorm
from acclimate.optim.schedules import Linear
from acclimate.recipe.units import Length

torch.set_num_threads(1)


@pytest.fixture
def examples() -> tuple[ExampleStore, np.ndarray]:
    """60 sequences of 3 to 14 tokens; the class is the parity of the second token."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 15, 60)
    tokens = rng.integers(5, 25, lengths.sum())
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    tokens[starts] = 2
    labels = tokens[starts + 1] % 2
    store = ExampleStore(tokens, np.zeros_like(tokens), lengths.astype(np.int64), num_truncated=0)
    return store, labels.astype(np.int64)


@pytest.fixture
def make(examples: tuple[ExampleStore, np.ndarray]) -> Callable[..., tuple[Training, TrainState]]:
    """make(length=…, dropout=…, micro_batch=…) → a training and its state, the same each time."""
    store, labels = examples

    def build(
        length: str = "12 steps", dropout: float = 0.1, micro_batch: str | None = None, **changes: Any
    ) -> tuple[Training, TrainState]:
        bert = Bert.model_validate(
            {"size": "tiny", "positions": 16, "dropout": dropout, "attention_dropout": dropout}
        )
        model = bert.build(
            vocabulary=Vocabulary(25, 0), seed=5, kind="classification", labels=Labels(("even", "odd"))
        )
        optimizer = AdamW(lr=2e-3).build(model=model)
        total = Length.parse(length)
        training = Training(
            objective=SequenceClassification(labels=labels, num_classes=2, multi_label=False),
            feed=Feed(
                store,
                batch=Length.parse("16 sequences"),
                seed=9,
                micro_batch=None if micro_batch is None else Length.parse(micro_batch),
                describe=lambda number: f"document-{number}",
            ),
            schedule=Linear(warmup="20%").build(length=total),
            length=total,
            seed=9,
            **changes,
        )
        return training, TrainState(model, optimizer, [ClipNorm(max_norm=1.0).build()])

    return build
