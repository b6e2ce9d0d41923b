"""Uniform initialisation: every weight, within its range, once."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from acclimate.models.families.recurrent.configuration import RecurrentConfig
from acclimate.models.families.recurrent.modelling import RecurrentForCausalLM
from acclimate.optim.uniform import Uniform


def drawn(settings: Uniform, *, tied: bool = False, seed: int = 1) -> Any:
    config = RecurrentConfig(
        vocab_size=500, embedding_size=25, hidden_size=100, last_size=25, tie_word_embeddings=tied
    )
    model = RecurrentForCausalLM(config)
    settings.build(generator=torch.Generator().manual_seed(seed))(model)
    return model


def test_every_weight_is_in_the_range_and_fills_it() -> None:
    for name, weight in drawn(Uniform(range=0.05)).named_parameters():
        assert 0.04 < weight.abs().max() <= 0.05, name
        assert abs(weight.mean()) < 0.01


def test_layers_may_go_by_their_width() -> None:
    model = drawn(Uniform(recurrent=1.0))
    for layer, largest in zip(model.model.layers, (0.1, 0.2), strict=True):
        for name, weight in layer.named_parameters():
            assert 0.9 * largest < weight.abs().max() <= largest, name
    assert 0.09 < model.lm_head.weight.abs().max() <= 0.1 and not model.lm_head.bias.any()


def test_it_is_a_function_of_the_seed_and_tied_weights_are_drawn_once() -> None:
    one, other = (drawn(Uniform(), tied=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.lm_head.weight, drawn(Uniform(), tied=True, seed=2).lm_head.weight)
    assert one.lm_head.weight is one.model.embed.weight


def test_norms_stay_norms() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    Uniform().build(generator=torch.Generator().manual_seed(1))(model)
    assert (model[1].weight == 1).all() and not model[1].bias.any()
