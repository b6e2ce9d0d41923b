from __future__ import annotations

from torch import nn

from acclimate.transfer.full import Full


def test_everything_trains_and_a_tied_weight_is_named_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert Full().build(model=model) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.bias"]
