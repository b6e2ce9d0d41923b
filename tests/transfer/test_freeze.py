"""What is frozen keeps its bits, has no state and no dropout; what makes no sense is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from acclimate.batching.sequence_store import ExampleStore
from acclimate.engine.feed import Feed
from acclimate.engine.loop import Training, frozen_modules, train
from acclimate.engine.state import TrainState
from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.objectives.classify import SequenceClassification
from acclimate.optim.adamw import AdamW
from acclimate.optim.schedules import Constant
from acclimate.recipe.units import Length
from acclimate.transfer.freeze import Freeze, HeadOnly


def classifier(size: str = "mini") -> Any:
    """Four layers."""
    bert = Bert.model_validate({"size": size, "positions": 16})
    return bert.build(
        vocabulary=Vocabulary(25, 0), seed=5, kind="classification", labels=Labels(("even", "odd"))
    )


def test_names_by_layers_embeddings_and_patterns() -> None:
    model = classifier()
    trained = Freeze(layers=3, match=["*.attention.self.query.*"]).build(model=model)
    assert all(name.startswith(("bert.encoder.layer.3.", "bert.pooler.", "classifier.")) for name in trained)
    assert "bert.encoder.layer.3.output.dense.bias" in trained
    assert "bert.encoder.layer.3.attention.self.query.weight" not in trained
    body = Freeze(layers=1, embeddings=False).build(model=model)
    assert "bert.embeddings.word_embeddings.weight" in body
    assert not any(".layer.0." in name for name in body) and any(".layer.1." in name for name in body)
    assert {name.split(".")[-3 if "pooler" in name else 0] for name in HeadOnly().build(model=model)} == {
        "pooler", "classifier",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Freeze(layers=5), r"transfer.freeze.layers: the model has 4 layers, asked to freeze 5"),
        (Freeze(match=["bert.encodr.*"]), r"'bert.encodr.\*' matches no parameter"),
        (Freeze(match=["*"]), r"every parameter is frozen"),
        (Freeze(embeddings=False), r"nothing is frozen"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: Freeze, message: str) -> None:
    with pytest.raises(UserError, match=message):
        settings.build(model=classifier())


def test_head_only_needs_a_head_above_layers() -> None:
    with pytest.raises(UserError, match="no head above numbered layers"):
        HeadOnly().build(model=nn.ModuleDict({"a": nn.Linear(2, 2)}))


@pytest.mark.parametrize("settings", [Freeze(layers=2), HeadOnly(), Freeze(match=["*.layer.3.*"])])
def test_frozen_bits_stay_and_have_no_state(settings: Any) -> None:
    model = classifier()
    trained = set(settings.build(model=model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    lengths = np.full(40, 6, np.int64)
    tokens = np.random.default_rng(0).integers(5, 25, lengths.sum())
    store = ExampleStore(tokens, np.zeros_like(tokens), lengths, num_truncated=0)
    training = Training(
        objective=SequenceClassification(
            labels=tokens.reshape(40, 6)[:, 1] % 2, num_classes=2, multi_label=False
        ),
        feed=Feed(store, batch=Length.parse("16 sequences"), seed=9),
        schedule=Constant().build(length=Length.parse("4 steps")),
        length=Length.parse("4 steps"),
        seed=9,
    )
    state = TrainState(model, AdamW(lr=1e-2).build(model=model), [])
    for record in train(training, state):
        for module in frozen_modules(model):
            assert not any(one.training for one in module.modules())
        assert model.training and record.gradient_norm > 0
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in trained), name
        assert (parameter in state.optimizer.state) == (name in trained)
    assert frozen_modules(model)
