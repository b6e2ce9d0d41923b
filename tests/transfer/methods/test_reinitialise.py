"""What is drawn anew, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from acclimate.errors import UserError
from acclimate.recipe.units import Length
from acclimate.transfer.methods.blocks import Blocks
from acclimate.transfer.methods.reinitialise import Reinitialise

LENGTH = Length.parse("4 epochs")


def test_the_top_layers_and_the_head_are_drawn_anew_and_nothing_else(classifier: Callable[..., Any]) -> None:
    model = classifier()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 1, 2)
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    plan = Reinitialise(layers=2).build(model=model, length=LENGTH, seed=3)
    blocks = Blocks(model)
    drawn = blocks.block(-1) | blocks.block(-2) | blocks.head
    assert plan.trained == blocks.all
    for name, one in model.named_parameters():
        assert torch.equal(one, before[name]) != (name in drawn), name
        if name in drawn and name.endswith("bias"):
            assert not one.any(), name
        elif name in drawn and "LayerNorm" in name:
            assert (one == 1).all(), name
        elif name in drawn:
            assert one.abs().max() <= 0.04 and float(one.std()) == pytest.approx(0.0176, rel=0.1), name


def test_the_seed_decides_the_draw(classifier: Callable[..., Any]) -> None:
    def weights(seed: int) -> torch.Tensor:
        model = classifier()
        Reinitialise().build(model=model, length=LENGTH, seed=seed)
        return torch.cat([one.flatten() for one in model.parameters()])

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))


def test_another_way_of_transfer_follows(classifier: Callable[..., Any]) -> None:
    model = classifier()
    settings = Reinitialise.model_validate({"layers": 1, "then": {"freeze": 3}})
    plan = settings.build(model=model, length=LENGTH, seed=3)
    blocks = Blocks(model)
    assert plan.trained == blocks.block(3) | blocks.head
    with pytest.raises(UserError, match="asked to freeze 9"):
        Reinitialise.model_validate({"then": {"freeze": 9}}).require_blocks(4)


def test_more_layers_than_there_are_are_refused(classifier: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="the model has 4 layers, asked to draw 5 anew"):
        Reinitialise(layers=5).build(model=classifier(), length=LENGTH, seed=0)
