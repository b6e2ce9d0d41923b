from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from acclimate.optim.adamw import AdamW
from acclimate.recipe.units import Length
from acclimate.transfer.methods.full import Discriminative, Full


def test_everything_trains_and_a_tied_weight_is_named_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    plan = Full().build(model=model, length=Length.parse("1 epochs"), seed=0)
    assert plan.trained == {"0.weight", "0.bias", "1.weight", "1.bias", "2.bias"}


def test_discriminative_rates_are_those_of_the_formula(classifier: Callable[..., Any]) -> None:
    """lr_l = lr·ξ^(L−l), the head at the top, the embedding one below the lowest of four layers."""
    model = classifier()
    optimizer = Discriminative().optimizer_of(AdamW(lr=0.1)).build(model=model)
    rates = {name: group["lr"] for group in optimizer.param_groups for name in group["names"]}
    for name, rate in rates.items():
        below = 5 if ".embeddings." in name else 4 - int(name.split(".")[3]) if ".layer." in name else 0
        assert rate == pytest.approx(0.1 * (1 / 2.6) ** below, rel=1e-3), name
    assert len(set(rates.values())) == 6
