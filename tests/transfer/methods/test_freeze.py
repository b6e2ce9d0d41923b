"""What is frozen keeps its bits, has no state and no dropout; what makes no sense is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from acclimate.engine.loop import frozen_modules
from acclimate.errors import UserError
from acclimate.optim.adamw import AdamW
from acclimate.recipe.units import Length
from acclimate.transfer.methods.freeze import Freeze, HeadOnly, Only
from acclimate.transfer.methods.phased import hold
from acclimate.transfer.tuning import tune

LENGTH = Length.parse("4 epochs")


def trained(method: Any, model: nn.Module) -> frozenset[str]:
    return method.build(model=model, length=LENGTH, seed=1).trained


def test_names_by_layers_embeddings_and_patterns(classifier: Callable[..., Any]) -> None:
    model = classifier()
    found = trained(Freeze(layers=3, match=["*.attention.self.query.*"]), model)
    assert all(name.startswith(("bert.encoder.layer.3.", "bert.pooler.", "classifier.")) for name in found)
    assert "bert.encoder.layer.3.output.dense.bias" in found
    assert "bert.encoder.layer.3.attention.self.query.weight" not in found
    body = trained(Freeze(layers=1, embeddings=False), model)
    assert "bert.embeddings.word_embeddings.weight" in body
    assert not any(".layer.0." in name for name in body) and any(".layer.1." in name for name in body)
    assert {name.split(".")[-3 if "pooler" in name else 0] for name in trained(HeadOnly(), model)} == {
        "pooler", "classifier",
    }  # fmt: skip


def test_only_the_named_parts_train(classifier: Callable[..., Any]) -> None:
    model = classifier()
    head = trained(HeadOnly(), model)
    top = trained(Only(parts=[-1]), model)
    assert top == trained(Only(parts=[3]), model) == trained(Freeze(layers=3), model)
    embedding = trained(Only(parts=["embeddings"], head=False), model)
    assert embedding == {name for name, _ in model.named_parameters() if name.startswith("bert.embeddings.")}
    assert trained(Only(parts=["embeddings"]), model) == embedding | head
    biases = trained(Only(parts=["*.bias"], head=False), model)
    assert biases == {name for name, _ in model.named_parameters() if name.endswith(".bias")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Freeze(layers=5), r"transfer.freeze.layers: the model has 4 layers, asked to freeze 5"),
        (
            Freeze(match=["bert.encodr.*"]),
            r"'bert.encodr.\*' matches no parameter; did you mean '\*bert.encoder\*'",
        ),
        (Freeze(match=["*"]), r"every parameter is frozen"),
        (Freeze(embeddings=False), r"nothing is frozen"),
        (Only(parts=[4]), r"transfer.only.parts: the model has no block 4; its blocks are 0 to 3"),
        (Only(parts=["embedding"]), r"'embedding' matches no parameter; did you mean 'embeddings'"),
        (Only(parts=["*"]), r"every parameter trains"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: Any, message: str, classifier: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=message):
        trained(settings, classifier())


def test_head_only_needs_a_head_above_layers() -> None:
    with pytest.raises(UserError, match="no head above numbered layers"):
        trained(HeadOnly(), nn.ModuleDict({"a": nn.Linear(2, 2)}))


@pytest.mark.parametrize(
    "transfer",
    [
        {"freeze": 2},
        "head_only",
        {"freeze": {"match": ["*.layer.3.*"]}},
        {"only": ["*.bias"]},
        {"only": ["embeddings"]},
    ],
)
def test_frozen_bits_stay_and_have_no_state(
    transfer: Any, classifier: Callable[..., Any], course: Callable[..., Any]
) -> None:
    model = classifier()
    one = course(model, transfer)
    names = trained(one.how.transfer, model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    tune(one.how, model, one.train, one.validation, seed=9)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in names), name
    hold(model, names)
    optimizer = AdamW().build(model=model)
    assert {name for group in optimizer.param_groups for name in group["names"]} == names
    if transfer != {"only": ["*.bias"]}:
        assert frozen_modules(model)


def test_what_is_frozen_drops_nothing(classifier: Callable[..., Any], course: Callable[..., Any]) -> None:
    model = classifier()
    seen: list[bool] = []
    model.bert.encoder.layer[0].register_forward_hook(
        lambda module, *_: seen.append(any(part.training for part in module.modules()))
    )
    one = course(model, {"freeze": 2})
    tune(one.how, model, one.train, one.validation, seed=9)
    assert seen and not any(seen)
