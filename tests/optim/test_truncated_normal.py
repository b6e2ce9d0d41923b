"""The initialiser's distribution, and that it comes from the seed alone."""

from __future__ import annotations

import torch

from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary


def build(seed: int, std: float = 0.02) -> torch.nn.Module:
    bert = Bert.model_validate({"size": "mini", "positions": 64, "initialise": {"truncated_normal": std}})
    return bert.build(vocabulary=Vocabulary(3000, 0), seed=seed)


def test_distribution() -> None:
    weights = build(0, 0.05).bert.embeddings.word_embeddings.weight[1:].flatten()
    assert weights.abs().max() <= 0.1
    # The standard deviation of a normal cut at two is 0.8796 of the uncut one.
    assert abs(weights.std() / (0.05 * 0.8796) - 1) < 0.01
    assert abs(weights.mean()) < 3 * 0.05 / len(weights) ** 0.5


def test_biases_norms_and_padding() -> None:
    model = build(0)
    layer = model.bert.encoder.layer[0]
    assert not layer.output.dense.bias.any() and (layer.output.LayerNorm.weight == 1).all()
    assert not model.bert.embeddings.word_embeddings.weight[0].any()
    assert (
        model.cls.predictions.decoder.weight.data_ptr()
        == model.bert.embeddings.word_embeddings.weight.data_ptr()
    )


def test_same_seed_same_weights_whatever_the_global_generator() -> None:
    torch.manual_seed(1)
    first = build(7)
    before = torch.random.get_rng_state()
    torch.manual_seed(2)
    second, other = build(7), build(8)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state()[:8], before[:8])
